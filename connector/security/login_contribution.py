"""What one module contributes to a login, in words: names, and never a secret (SIGN-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from connector.spi import Credential, IdentityAssertion, LoginModule, PasswordCredential, Principal

#: A principal or credential that a module has put into the subject, in words.
Describe = Callable[[object], str]


def described(given: object) -> str:
    """A contribution in words: names and never a secret. Of a credential of a foreign kind only its mechanism. Pure."""
    match given:
        case PasswordCredential():
            origin = f" of alias {given.alias!r}, version {given.version}" if given.alias is not None else ""
            return f"user {given.user!r}{origin}"
        case IdentityAssertion():
            return f"to act as {given.user!r}" + (f" of realm {given.realm!r}" if given.realm else "")
        case Principal():
            return str(given)
        case Credential():
            return f"mechanism {given.mechanism}"
        case _:
            return "it is no credential"


def names_set(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the shared state that were set or replaced; the values may be secrets, and are not looked at."""
    return tuple(repr(name) for name, value in after.items() if name not in before or before[name] is not value)


def remarks_of(module: LoginModule) -> tuple[str, ...]:
    """What a module says of its answer; one that can't say it does not fail the login for that."""
    offered: Callable[[], Iterable[object]] | None = getattr(module, "remarks", None)
    if not callable(offered):
        return ()
    try:
        return tuple(text for text in offered() if isinstance(text, str))
    except Exception:  # noqa: BLE001 - its text may hold a secret
        return ("its remarks can't be told",)
