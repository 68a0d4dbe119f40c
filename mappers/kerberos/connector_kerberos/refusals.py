"""What a KDC's or library's error code means for a sign-on: a table. Pure.

Kerberos says by number what happened; texts differ between versions, so none is looked into.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.errors import ConnectionFailed, LoginRefused, Reason

NO_KDC = Reason(
    "CF-KRB-020",
    "no KDC answered for a ticket of {principal} for {service}: {said}.",
    "Check that a KDC of the realm runs and can be reached (krb5.conf); nothing was refused, it is tried again when the"
    " next connection is asked for.",
)
CLOCK_SKEW = Reason(
    "CF-KRB-021",
    "the clocks of this host, the KDC and {service} differ too much for a ticket of {principal}: {said}.",
    "Synchronise the clocks (NTP); five minutes are tolerated by default.",
)
EXPIRED = Reason(
    "CF-KRB-022",
    "the ticket of {principal} has expired or is not valid yet, so none could be had for {service}: {said}.",
    "Let the user log in again; a service's keytab renews by itself.",
)
REVOKED = Reason(
    "CF-KRB-023",
    "the KDC no longer knows {principal}, or has locked it, or its password has expired: {said}.",
    "Unlock or create the principal; it can sign on again without a restart.",
)
KEY_WRONG = Reason(
    "CF-KRB-024",
    "the keytab doesn't open {principal}: {said}.",
    "Check that the file can be read here, holds that principal, and has its newest key (klist -k, kvno).",
)
SERVICE_UNKNOWN = Reason(
    "CF-KRB-025",
    "the KDC knows no service {service}, for which a ticket of {principal} was asked: {said}.",
    "Create its principal, or correct the host in the url and krbsrvname; mind that host names may be canonicalised"
    " (dns_canonicalize_hostname).",
)
NOT_DELEGATED = Reason(
    "CF-KRB-026",
    "the KDC refused a ticket of {principal} for {service}: {said}.",
    "Look into the KDC's log; its policy forbids it.",
)
UNCLEAR = Reason(
    "CF-KRB-029",
    "no ticket of {principal} for {service} could be had: {said}.",
    "Try kinit and kvno by hand with the same krb5.conf; KRB5_TRACE shows what the library does.",
)

#: Numbers of the library's error table count from here.
_BASE: Final = -1765328384
_WORD: Final = 1 << 32
_SIGN: Final = 1 << 31
#: A KDC refuses an option of the request, for example to delegate.
BAD_OPTION: Final = _BASE + 13
#: A ticket has run out.
TICKET_EXPIRED_CODE: Final = _BASE + 32
#: There is no such credential cache.
NO_CACHE_CODE: Final = _BASE + 195
#: There is no such key in the keytab.
KEY_MISSING_CODE: Final = _BASE + 181

_REASONS: Final[Mapping[int, Reason]] = {
    _BASE + code: reason
    for reason, codes in {
        NO_KDC: (154, 156, 220),  # realm without KDC, unreachable, can't be resolved
        CLOCK_SKEW: (37, 148),  # said by the other side, seen in the KDC's reply
        EXPIRED: (11, 20, 32, 33),
        REVOKED: (1, 6, 18, 23),
        KEY_WRONG: (24, 179, 181, 182, 184, 230, 235),  # pre-authentication failed; of the keytab
        SERVICE_UNKNOWN: (2, 7, 19),
        NOT_DELEGATED: (12, 13),
    }.items()
    for code in codes
}
#: Nobody was refused: it may go well a moment later, and no account can be locked by trying.
_PASSING: Final = (NO_KDC, CLOCK_SKEW, EXPIRED, UNCLEAR)


def signed(code: int) -> int:
    """A GSSAPI minor code as Kerberos counts: GSSAPI's are without sign."""
    low = code % _WORD
    return low - _WORD if low >= _SIGN else low


def refusal(code: int, said: str, principal: str, service: str) -> ConnectionFailed:
    """The error for a minor code; LoginRefused where the KDC refused, else ConnectionFailed.

    Args:
        code: GSSAPI's minor code.
        said: The library's own words.
        principal: Whose ticket was asked for.
        service: For which service.
    """
    reason = _REASONS.get(signed(code), UNCLEAR)
    kind = ConnectionFailed if reason in _PASSING else LoginRefused
    return kind(reason, principal=principal, service=service, said=said)
