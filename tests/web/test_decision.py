"""What becomes of a request: the table, every row of it."""

from __future__ import annotations

import pytest
from support_web import ISSUER, Issuer

from connector.spi import Subject
from connector_web import basic, bearer, certificate, established
from connector_web.decision import Finding, Happened, Nobody, decide
from connector_web.refusal import Refusal

SOURCES = (
    bearer(issuer=ISSUER, audience="a", keys=Issuer().jwks),
    bearer(issuer="https://other.example", audience="a", keys=Issuer().jwks),
    basic(),
    certificate(),
    established(lambda _: None),
)
BASIC = 'Basic realm="the \\"shop\\"", charset="UTF-8"'
BEARER = 'Bearer realm="the \\"shop\\""'
INVALID = BEARER + ', error="invalid_token"'
ALICE = Subject.of_user("alice", "shop")

#: What happened, the source, the setting: status and code (or the caller), challenges, Retry-After.
ROWS = [
    (Happened.ESTABLISHED, "basic", "refuse", "alice@shop", (), None),
    (Happened.ESTABLISHED, "basic", "unauthenticated", "alice@shop", (), None),
    (Happened.REFUSED, "bearer", "refuse", "401 CF-WEB-002", (INVALID, BASIC), None),
    (Happened.REFUSED, "basic", "unauthenticated", "401 CF-WEB-002", (BEARER, BASIC), None),
    (Happened.UNCLAIMED, "", "refuse", "401 CF-WEB-002", (BEARER, BASIC), None),
    (Happened.UNCLAIMED, "bearer", "unauthenticated", "401 CF-WEB-002", (INVALID, BASIC), None),
    (Happened.NOT_ADMITTED, "bearer", "refuse", "403 CF-WEB-003", (), None),
    (Happened.NOT_ADMITTED, "bearer", "unauthenticated", "403 CF-WEB-003", (), None),
    (Happened.THROTTLED, "basic", "refuse", "429 CF-WEB-005", (), 9),
    (Happened.THROTTLED, "basic", "unauthenticated", "429 CF-WEB-005", (), 9),
    (Happened.UNAVAILABLE, "basic", "refuse", "503 CF-WEB-004", (), 5),
    (Happened.UNAVAILABLE, "basic", "unauthenticated", "503 CF-WEB-004", (), 5),
    (Happened.NOTHING, "", "refuse", "401 CF-WEB-001", (BEARER, BASIC), None),
    (Happened.NOTHING, "", "unauthenticated", "unauthenticated", (), None),
]  # fmt: skip


@pytest.mark.parametrize(("happened", "source", "nobody", "outcome", "challenges", "retry_after"), ROWS)
def test_every_row_of_the_table(
    happened: Happened, source: str, nobody: str, outcome: str, challenges: tuple[str, ...], retry_after: int | None
) -> None:
    subject = ALICE if happened is Happened.ESTABLISHED else None
    finding = Finding(happened, source, subject=subject, retry_after=9 if happened is Happened.THROTTLED else None)
    found = decide(finding, Nobody(nobody), SOURCES, realm='the "shop"', retry_after=5)
    if isinstance(found, Subject):
        assert str(found.caller) == outcome
    else:
        assert f"{found.status} {found.reason.code}" == outcome
        assert (found.challenges, found.retry_after) == (challenges, retry_after)


def test_the_rows_are_all_that_can_happen_under_every_setting() -> None:
    assert {(row[0], row[2]) for row in ROWS} == {(h, n.value) for h in Happened for n in Nobody}


def test_a_finding_without_its_subject_serves_nobody() -> None:
    found = decide(Finding(Happened.ESTABLISHED), Nobody.UNAUTHENTICATED, (), realm="shop", retry_after=5)
    assert isinstance(found, Refusal)
    assert found.status == 503


def test_a_realm_that_a_header_can_not_hold_is_still_a_header() -> None:
    found = decide(Finding(Happened.NOTHING), Nobody.REFUSE, (basic(),), realm="läden\r\nX: y", retry_after=5)
    assert isinstance(found, Refusal)
    assert found.challenges == ('Basic realm="l?den??X: y", charset="UTF-8"',)
