"""What the posture says of certificates as time goes by (CHAIN-3)."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from support_container import ProfileFolder
from support_pool import until
from support_security import FixedClock
from support_tls import NOW, profile_keys

from connector.container.certificate_watch import warn_of_certificates
from connector.container.tls_findings import SOON, tls_findings
from connector.security.tls.generated import VALIDITY, generate_key_store
from connector.security.tls.settings import TlsSettings


def test_a_certificate_is_told_before_its_time_a_month_before_its_end_and_after_it(tmp_path: Path) -> None:
    for name in ("node", "partner"):
        profile_keys(tmp_path, name)
        (tmp_path / f"{name}.pem").chmod(0o600)
    configured = {"node": TlsSettings("node", tmp_path / "node.pem", tmp_path / "partner.crt")}

    def told(after: timedelta) -> list[tuple[str, str, str]]:
        found = tls_findings(configured, NOW + after)
        return [(severity, reason.code, str(details["kind"])) for severity, reason, _, details in found]

    day = timedelta(days=1)
    assert told(-day) == [("error", "CF-CTR-580", "key"), ("warning", "CF-CTR-580", "trust")]
    assert told(timedelta()) == []
    assert told(VALIDITY - SOON - day) == []
    assert told(VALIDITY - SOON + day) == [("warning", "CF-CTR-062", "key"), ("warning", "CF-CTR-062", "trust")]
    assert told(VALIDITY + day) == [("error", "CF-CTR-061", "key"), ("warning", "CF-CTR-061", "trust")]


def test_the_log_of_what_runs_has_each_certificate_that_ends_soon(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    profile_keys(tmp_path, "node")
    configured = {"node": TlsSettings("node", tmp_path / "node.pem", tmp_path / "node.crt")}
    with caplog.at_level(logging.WARNING, "connector.container"):
        warn_of_certificates(configured, FixedClock(NOW.timestamp()))
        assert caplog.messages == []  # that others may read the key is for `connector check`
        warn_of_certificates(configured, FixedClock((NOW + VALIDITY - timedelta(days=1)).timestamp()))
    assert [message.partition(" expires on ")[0] for message in caplog.messages] == [
        f"CF-CTR-062: tls.node: the certificate CN=node of the {kind} store" for kind in ("key", "trust")
    ]


def test_a_container_looks_at_its_certificates_when_it_starts(
    profile: ProfileFolder, caplog: pytest.LogCaptureFixture
) -> None:
    store = generate_key_store("old", NOW - VALIDITY, hosts=("localhost",))
    (profile.folder / "old.pem").write_bytes(store.pem())
    profile.edit("[applications]", '[tls.old]\nkey_store = "old.pem"\n\n[applications]')
    others = set(threading.enumerate())  # of whatever else this process has running
    with caplog.at_level(logging.WARNING, "connector.container"):
        with profile.open(activate=False):
            pass
        assert "CF-CTR-061" not in caplog.text
        with profile.open():
            until(lambda: "CF-CTR-061: tls.old" in caplog.text)
    until(lambda: not [each for each in set(threading.enumerate()) - others if each.name.endswith("-certificates")])
