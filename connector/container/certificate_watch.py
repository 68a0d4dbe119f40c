"""A running container warns by itself of certificates that are out of their time, or soon will be (CHAIN-3)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from connector.container.periodic import Periodic
from connector.container.tls_findings import OUT_OF_TIME, tls_findings
from connector.errors import ConnectorError
from connector.security.tls.settings import TlsSettings
from connector.spi import Clock

#: Seconds between two looks: a day.
INTERVAL: Final = 86_400.0

_log = logging.getLogger("connector.container")


def warn_of_certificates(configured: Mapping[str, TlsSettings], clock: Clock) -> None:
    """One warning in the log for each certificate that `connector check` would report for its dates.

    Blocks for the disk. Raises nothing: what can't be read is told by whoever needs it, and by `connector check`.
    """
    try:
        for _, reason, place, details in tls_findings(configured, datetime.fromtimestamp(clock.time(), UTC)):
            if reason in OUT_OF_TIME:
                _log.warning("%s: %s: %s", reason.code, place, reason.text.format(**details))
    except (ConnectorError, OSError) as error:
        _log.warning("the certificates can't be looked at: %s", type(error).__name__)


def watch_certificates(name: str, configured: Mapping[str, TlsSettings], clock: Clock) -> Periodic:
    """Warn now and once a day from now on, on a thread of its own."""
    return Periodic(f"{name}-certificates", INTERVAL, lambda: warn_of_certificates(configured, clock), at_once=True)
