"""The settings of a trusted connection mapping: options of the login configuration, then mapping properties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.spi import ALIAS_PROPERTY, LoginFailed

_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class TrustedSettings:
    """What one reference's trusted connections are to assert.

    Attributes:
        alias: The authentication alias of the trusted user, who opens the connections.
        use_caller_identity: Whether the caller is asserted; if not, `unauthenticated_user` is, whoever calls.
        unauthenticated_user: Who is asserted where there is no authenticated caller; None refuses such callers.
        target_realm: The only realm whose callers are asserted; None for any that the container lets in.
        propagate_groups: Whether the caller's groups are asserted as well.
    """

    alias: str
    use_caller_identity: bool = True
    unauthenticated_user: str | None = None
    target_realm: str | None = None
    propagate_groups: bool = False


def read_settings(options: Mapping[str, Any], properties: Mapping[str, str]) -> TrustedSettings:
    """The settings in force: a mapping property wins over the option of its name. Pure.

    Raises:
        LoginFailed: there is no alias, or a switch is neither true nor false.
    """
    merged: dict[str, Any] = {**options, **properties}
    alias = merged.get(ALIAS_PROPERTY)
    if not isinstance(alias, str) or not alias:
        raise LoginFailed(
            "a trusted connection needs the alias of the trusted user",
            "Give the reference an `alias`, whose user the external system trusts to act for others.",
        )
    return TrustedSettings(
        alias,
        _switch(merged, "use_caller_identity", default=True),
        _text(merged, "unauthenticated_user"),
        _text(merged, "target_realm"),
        _switch(merged, "propagate_groups", default=False),
    )


def _switch(merged: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = merged.get(name, default)
    if isinstance(value, bool):
        return value
    truth = _TRUTH.get(value.lower()) if isinstance(value, str) else None
    if truth is None:
        # A typing error must not decide about identity by being "not empty".
        raise LoginFailed(f"the setting {name} is neither true nor false", "Correct the option or mapping property.")
    return truth


def _text(merged: Mapping[str, Any], name: str) -> str | None:
    value = merged.get(name)
    if value is not None and not isinstance(value, str):
        raise LoginFailed(f"the setting {name} is not a text", "Correct the option or mapping property.")
    return value or None
