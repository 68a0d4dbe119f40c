"""The settings of a Kerberos mapping: options of the login configuration, then mapping properties. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePath
from typing import Any

from connector.errors import Reason
from connector.spi import LoginFailed
from connector_kerberos.refusing import login_failed

SETTING_WRONG = Reason(
    "CF-KRB-001",
    "the setting {name} of the Kerberos mapping is {found}",
    "It must be {allowed}: correct the option or the mapping property.",
)

_TRUTH = {"true": True, "false": False}


class Source(Enum):
    """Whose tickets sign a connection on."""

    DELEGATED = "delegated"  # the caller's, which the caller brought
    CONSTRAINED = "constrained"  # for the caller, obtained by the service: S4U2Self and S4U2Proxy
    KEYTAB = "keytab"  # the service's own, whoever calls


@dataclass(frozen=True, slots=True)
class KerberosSettings:
    """What one reference's Kerberos sign-on is to be.

    Attributes:
        source: Whose tickets.
        principal: The service's principal with its realm (constrained, keytab).
        keytab: The file with its keys (constrained, keytab).
        realm: The Kerberos realm of callers (constrained); the service's own by default.
        caller_realm: The only realm of the container whose callers are mapped; None for any that it lets in.
        include_realm: Whether the user in the external system is the whole principal, not its first part.
    """

    source: Source = Source.DELEGATED
    principal: str = ""
    keytab: str = ""
    realm: str = ""
    caller_realm: str | None = None
    include_realm: bool = False

    def user_of(self, principal: str) -> str:
        """The user in the external system that a principal signs on as."""
        return principal if self.include_realm else principal.rpartition("@")[0]


def read_settings(options: Mapping[str, Any], properties: Mapping[str, str]) -> KerberosSettings:
    """The settings in force: a mapping property wins over the option of its name.

    Raises:
        LoginFailed: a setting is wrong, or the source needs one that is missing.
    """
    merged: dict[str, Any] = {**options, **properties}
    source = _source(merged.get("source", Source.DELEGATED.value))
    principal, keytab = _text(merged, "principal"), _text(merged, "keytab")
    if source is not Source.DELEGATED:
        name, _, realm = principal.rpartition("@")
        if not name or not realm:
            raise _wrong("principal", repr(principal) if principal else "missing", "a principal with its realm")
        if not keytab:
            raise _wrong("keytab", "missing", "the path of the service's keytab")
    return KerberosSettings(
        source,
        principal,
        keytab,
        _text(merged, "kerberos_realm") or principal.rpartition("@")[2],
        _text(merged, "caller_realm") or None,
        _switch(merged.get("include_realm", False)),
    )


def _source(value: object) -> Source:
    try:
        return Source(value)
    except ValueError:
        raise _wrong("source", repr(value), ", ".join(source.value for source in Source)) from None


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    truth = _TRUTH.get(value.lower()) if isinstance(value, str) else None
    if truth is None:
        raise _wrong("include_realm", repr(value), "true or false")
    return truth


def _text(merged: Mapping[str, Any], name: str) -> str:
    value = merged.get(name, "")
    if isinstance(value, PurePath):  # as an option that its mapper.toml declares as a path
        return str(value)
    if not isinstance(value, str):
        raise _wrong(name, f"a {type(value).__name__}", "a text")
    return value


def _wrong(name: str, found: str, allowed: str) -> LoginFailed:
    return login_failed(SETTING_WRONG, name=name, found=found, allowed=allowed)
