"""The two stages of sending to another bus, with outbound and inbound users in all combinations (BUS-9)."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support_bus import REALM
from support_links import two_containers

from connector.errors import AccessDenied
from connector.spi import UNAUTHENTICATED, Principal, ServerPrincipal, UserPrincipal
from connector_bus.links.identity import arriving_as, leaving_as

ALICE, BOB, CAROL = (UserPrincipal(name, REALM) for name in ("alice", "bob", "carol"))


def expected(*, here: bool, there: bool, outbound: str | None, inbound: str | None) -> Principal:
    """Whose a message of alice's is on the other bus, from what the requirement says, and not from how it is made."""
    if not there:
        return UNAUTHENTICATED  # a bus without security knows no names
    if inbound is not None:
        return UserPrincipal(inbound, REALM)  # wins over whatever came
    if outbound is not None:
        return UserPrincipal(outbound, REALM)
    return ALICE if here else UNAUTHENTICATED


@pytest.mark.parametrize(
    ("here", "there", "outbound", "inbound"),
    list(itertools.product((True, False), (True, False), (None, "bob"), (None, "carol"))),
)
def test_the_identity_on_the_other_bus(
    tmp_path: Path, *, here: bool, there: bool, outbound: str | None, inbound: str | None
) -> None:
    open_to_all = {"forecasts": {"roles": {"sender": ["Everyone"]}}}
    with two_containers(
        tmp_path,
        here={"security": here, "outbound_user": outbound},
        there={"security": there, "inbound_user": inbound, "destinations": open_to_all},
    ) as (britain, france):
        britain.send("alice", "forecasts@france", "rain")
        (message,) = france.peek("forecasts")
    assert message.identity == expected(here=here, there=there, outbound=outbound, inbound=inbound)


@pytest.mark.parametrize(
    ("outbound", "inbound", "allowed_there"),
    [
        (None, None, "alice"),
        ("bob", None, "bob"),
        (None, "carol", "carol"),
        ("bob", "carol", "carol"),
    ],
)
def test_the_second_stage_asks_about_exactly_that_identity(
    tmp_path: Path, outbound: str | None, inbound: str | None, allowed_there: str
) -> None:
    for holder in ("alice", "bob", "carol"):
        secret = {"secrets": {"inherit_defaults": False, "roles": {"sender": [f"user:{holder}"]}}}
        folder = tmp_path / holder
        folder.mkdir()
        with two_containers(
            folder,
            here={"outbound_user": outbound},
            there={"inbound_user": inbound, "destinations": secret},
        ) as (britain, france):
            britain.send("alice", "secrets@france", "hush")
            arrived, failed = len(france.peek("secrets")), len(france.exceptions())
        assert (arrived, failed) == ((1, 0) if holder == allowed_there else (0, 1))


def test_the_first_stage_asks_about_the_sender_whatever_the_outbound_user(tmp_path: Path) -> None:
    with two_containers(tmp_path, here={"outbound_user": "alice"}) as (britain, france):
        with britain.connect("bob") as connection, pytest.raises(AccessDenied) as caught:
            connection.send("forecasts@france", "rain")
        assert caught.value.code == "CF-BUS-124"
        assert france.peek("forecasts") == []


def test_a_bus_without_security_reaches_only_what_is_open_to_everyone(tmp_path: Path) -> None:
    with two_containers(tmp_path, here={"security": False}) as (britain, france):
        britain.send(None, "forecasts@france", "rain")
        assert france.peek("forecasts") == []
        (failed,) = france.exceptions()
        assert failed.properties["exception_reason"] == "CF-BUS-020"


@pytest.mark.parametrize("realm", [REALM, "partners", "strangers"])
def test_an_identity_of_a_realm_that_is_neither_own_nor_trusted_is_nobodys(realm: str) -> None:
    came = UserPrincipal("dora", realm)
    believed, _ = arriving_as(
        came, None, secured=True, authenticated=True, realm=REALM, trusted_realms=frozenset({"partners"})
    )
    assert believed == (UNAUTHENTICATED if realm == "strangers" else came)


def test_an_engine_is_believed_to_be_one_only_where_it_is_authenticated() -> None:
    server = ServerPrincipal("of-britain", REALM)
    for authenticated in (True, False):
        believed, _ = arriving_as(
            server, None, secured=True, authenticated=authenticated, realm=REALM, trusted_realms=frozenset()
        )
        assert believed == (server if authenticated else UNAUTHENTICATED)


def test_an_outbound_user_is_of_the_senders_realm() -> None:
    assert leaving_as(ALICE, "bob", "britain") == UserPrincipal("bob", "britain")
    assert leaving_as(ALICE, None, "britain") == ALICE
