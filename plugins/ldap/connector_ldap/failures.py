"""What can go wrong with a directory, as errors of ours: a directory that is down says nothing about the user."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from connector.errors import Reason, RegistryUnavailable

DIRECTORY_DOWN = Reason(
    "CF-LDAP-010",
    "no server of the directory answers: {tried}.",
    "It says nothing about the user and is not kept: try again once one of them answers.",
)
TLS_FAILED = Reason(
    "CF-LDAP-011",
    "no server of the directory could prove who it is: {tried}.",
    "Correct the server's certificate, its name in `urls`, or `ca_file`.",
)
ACCOUNT_REFUSED = Reason(
    "CF-LDAP-012",
    "the directory {server} refuses the service account {account!r}.",
    "Correct its DN or its password; nobody can be looked up until then.",
)
REFERRED = Reason(
    "CF-LDAP-013",
    "the directory {server} refers to another server for {base!r}, and referrals are not followed.",
    "Name in `urls` a server that holds that part of the tree itself, or give a narrower base.",
)
SEARCH_REFUSED = Reason(
    "CF-LDAP-014",
    "the directory {server} refuses to search {base!r}: {why}.",
    "Correct base, filter and attribute names, or what the service account may read.",
)
BIND_REFUSED = Reason(
    "CF-LDAP-015",
    "the directory {server} can't check passwords: {why}.",
    "It has not said that the password is wrong: see what the server asks for, for example TLS.",
)
NAME_AMBIGUOUS = Reason(
    "CF-LDAP-016",
    "the directory has several entries for {name!r} below {base!r}.",
    "Make the names unique, or narrow base and filter.",
)

#: Of these a later attempt may come to another end without anybody changing a setting.
_TEMPORARY: Final = frozenset({DIRECTORY_DOWN})


class DirectoryError(RegistryUnavailable):
    """A directory that can't be asked. Never a "no" about a user, and never kept as one."""

    @property
    def retryable(self) -> bool:
        """Whether trying again later may help."""
        return self.reason in _TEMPORARY


class Kind(Enum):
    """What became of one operation on one server."""

    REFUSED = "refused"  # the credential is wrong, or the account locked
    ABSENT = "absent"  # there is no such entry
    AWAY = "away"  # not reached, too slow, or too busy: another server may do
    UNTRUSTED = "untrusted"  # TLS could not be set up
    REFERRAL = "referral"
    AMBIGUOUS = "ambiguous"  # more answers than asked for
    WRONG = "wrong"  # anything else: a setting


# By the names of python-ldap's exceptions, so that this module needs no library.
_KINDS: Final = {
    "INVALID_CREDENTIALS": Kind.REFUSED,
    "INAPPROPRIATE_AUTH": Kind.REFUSED,
    "INSUFFICIENT_ACCESS": Kind.REFUSED,
    "CONSTRAINT_VIOLATION": Kind.REFUSED,  # so some servers say that an account is locked
    "NO_SUCH_OBJECT": Kind.ABSENT,
    "SERVER_DOWN": Kind.AWAY,
    "CONNECT_ERROR": Kind.AWAY,
    "TIMEOUT": Kind.AWAY,
    "TIMELIMIT_EXCEEDED": Kind.AWAY,
    "BUSY": Kind.AWAY,
    "UNAVAILABLE": Kind.AWAY,
    "REFERRAL": Kind.REFERRAL,
    "SIZELIMIT_EXCEEDED": Kind.AMBIGUOUS,
}


class ServerFailed(Exception):
    """One operation on one server failed. Internal to this package; its text is fit to be shown.

    Args:
        kind: What kind of failure.
        why: In words, without a secret.
    """

    def __init__(self, kind: Kind, why: str) -> None:
        super().__init__(why)
        self.kind = kind
        self.why = why


def server_failed(error: Exception) -> ServerFailed:
    """A failure of python-ldap as one of ours, without its traceback: in its frames stands the password. Pure."""
    kind = _KINDS.get(type(error).__name__, Kind.WRONG)
    return ServerFailed(kind, _words(error))


def _words(error: Exception) -> str:
    """The result code's own text and the server's remark, cut and printable."""
    details: Any = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    said = [str(details[key]) for key in ("desc", "info") if details.get(key)] or [type(error).__name__]
    return "".join(c for c in ", ".join(said) if c.isprintable())[:200]
