"""Who is mapped to what: own credential, then table, then rules; pure (SIGN-5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.spi import PasswordCredential, Subject
from connector_onetoone.callers import User
from connector_onetoone.rules import Rule
from connector_onetoone.settings import ANY_RESOURCE, OneToOneSettings
from connector_onetoone.table import CallerTable
from connector_onetoone.template import filled


@dataclass(frozen=True, slots=True)
class Mapped:
    """A caller's place in table or rules.

    Attributes:
        alias: The authentication alias to look up.
        user: Another user than the alias's own, or None.
        why: What decided, for people.
    """

    alias: str
    user: str | None
    why: str


def own_credential(
    settings: OneToOneSettings, caller: Subject | None, factory: object, mechanisms: frozenset[str]
) -> PasswordCredential | None:
    """The user and password that the caller holds for this factory, else those for none in particular, if allowed."""
    if settings.own_credential is None or caller is None:
        return None
    held = [one for one in caller.credentials_of(PasswordCredential) if one.mechanism in mechanisms]
    ours = caller.credentials_of(PasswordCredential, factory)
    for one in held:
        if any(one is our for our in ours):
            return one
    free = [one for one in held if one.factory is None] if settings.own_credential == ANY_RESOURCE else []
    return free[0] if free else None


def mapped(
    settings: OneToOneSettings, table: CallerTable | None, user: User, properties: Mapping[str, str]
) -> Mapped | None:
    """The user's entry of the table, else the first rule that fits; None where there is neither.

    Raises:
        LoginFailed: the rule that fits can't be filled in.
    """
    entry = table.entry_of(user, settings.realm) if table is not None else None
    if entry is not None and settings.table is not None:
        return Mapped(entry.alias, entry.user, f"table {settings.table.name}")
    for rule in settings.rules:
        found = rule.found_in(user, settings.realm)
        if found is not None:
            return _by_rule(rule, found, properties)
    return None


def _by_rule(rule: Rule, found: Mapping[str, str], properties: Mapping[str, str]) -> Mapped:
    other = filled(rule.user, found, properties) if rule.user is not None else None
    return Mapped(filled(rule.alias, found, properties), other, str(rule))
