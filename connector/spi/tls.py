"""TLS as adapters use it: contexts by the names of the deployer's configurations (CHAIN-3)."""

from __future__ import annotations

import ssl
from typing import Final, Protocol

#: Of OpenSSL's verdicts: the issuer is not among the signers, or the certificate is its own and is not among them.
_UNVOUCHED: Final = frozenset({2, 18, 19, 20, 21})


def is_signer_unknown(error: ssl.SSLCertVerificationError) -> bool:
    """Whether nobody vouches for a certificate, rather than its time, its name or its use being wrong (CHAIN-3). Pure.

    Only then would trusting it help.
    """
    return error.verify_code in _UNVOUCHED


class TlsService(Protocol):
    """Contexts of `[tls.NAME]`; ask for each connection, since renewed keys and signers make a new one.

    Safe to call from any thread; looks at files' dates, and reads files that are new.
    """

    def server_context(self, name: str) -> ssl.SSLContext:
        """For whoever accepts connections.

        Raises NameNotFound, and ConfigError (CF-TLS-…) where there never was a good one.
        """
        ...

    def client_context(self, name: str) -> ssl.SSLContext:
        """For whoever connects; verifies certificate and host name. Raises as `server_context`."""
        ...
