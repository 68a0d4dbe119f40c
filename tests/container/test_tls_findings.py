"""What the posture says of certificates as time goes by (CHAIN-3)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from support_tls import NOW, profile_keys

from connector.container.tls_findings import SOON, tls_findings
from connector.security.tls.generated import VALIDITY
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
