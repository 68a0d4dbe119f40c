"""From python-gssapi's exception to our error."""

from __future__ import annotations

from typing import Any, Final

from connector.errors import ConnectionFailed
from connector_kerberos.refusals import KEY_MISSING_CODE, NO_CACHE_CODE, TICKET_EXPIRED_CODE, refusal, signed

#: GSSAPI's own word for credentials that have run out, beside which the mechanism says nothing.
_CREDENTIALS_EXPIRED: Final = 11 << 16
_SILENT: Final = ("Success", "Unknown error")


def failure_of(error: Any, principal: str, service: str) -> ConnectionFailed:
    """The error to raise instead of a GSSError, with the library's own words for it. Pure."""
    code = TICKET_EXPIRED_CODE if error.maj_code & (0xFF << 16) == _CREDENTIALS_EXPIRED else error.min_code
    return refusal(code, said_by(error), principal, service)


def failure_by_keytab(error: Any, principal: str, service: str, keytab: str) -> ConnectionFailed:
    """The same for a service's own ticket. Where a keytab doesn't help, the library misses a cache: not so we. Pure."""
    if signed(error.min_code) == NO_CACHE_CODE:
        return refusal(KEY_MISSING_CODE, f"no key of it in {keytab}", principal, service)
    return failure_of(error, principal, service)


def said_by(error: Any) -> str:
    """The library's words: of the mechanism where there are any, else of GSSAPI."""
    words = [word for word in error.get_all_statuses(error.min_code, is_maj=False) if word not in _SILENT]
    words = words or error.get_all_statuses(error.maj_code, is_maj=True)
    return "; ".join(words).strip().rstrip(".") or type(error).__name__
