"""A client whose TLS handshake fails is told why, by the alert of the protocol (CHAIN-3, CHAIN-5).

asyncio drops the connection at once when a handshake fails, and with it the alert that the TLS library has written: the
client, of whatever make, learns no more than that somebody has hung up. Here the first failure counts as "more is to be
read": asyncio then writes what there is to write, the alert, and the handshake ends when the client hangs up, or at the
latest with the handshake's own time limit. Who speaks no TLS at all gets no alert: it would not understand it.
"""

from __future__ import annotations

import logging
import ssl
from typing import Final

#: The failures of clients that speak TLS, and know what an alert is.
_UNDERSTOOD: Final = frozenset(
    {"CERTIFICATE_VERIFY_FAILED", "PEER_DID_NOT_RETURN_A_CERTIFICATE", "UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER"}
)
#: In our own words, where a setting of ours is what the client did not meet.
_SAID: Final = {"UNSUPPORTED_PROTOCOL": "it speaks no version from minimum_protocol on (UNSUPPORTED_PROTOCOL)"}

_LOG = logging.getLogger("connector_bus.chains")


class TellingHandshake(ssl.SSLObject):
    """One handshake whose failure is written to the other side before it ends. Used by one event loop only."""

    _failed: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """As of SSLObject, but for the failure, which is raised at the second call."""
        if self._failed is not None:
            raise self._failed
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if error.reason not in _UNDERSTOOD:
                raise
            _LOG.info("a client's TLS handshake failed: %s", _SAID.get(error.reason, error.reason))
            self._failed = error
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "the alert is to be written") from None


def telling(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, whose handshakes under asyncio tell of their failure."""
    context.sslobject_class = TellingHandshake
    return context
