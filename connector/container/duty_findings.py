"""What `check` says of who holds what: unknown holders, several duties, checks that are off (CONF-4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from connector.container.configuration.activation_checks import run_as_alias
from connector.container.configuration.key_paths import show_key_path
from connector.container.finding import Told
from connector.errors import Reason, RegistryUnavailable
from connector.spi import Duty

if TYPE_CHECKING:
    from connector.container.parts import Parts
    from connector.security.identity import ContainerIdentity

HOLDER_UNKNOWN = Reason(
    "CF-CTR-106",
    "{holder} is in the role {role}, and realm {realm!r} does not know it",
    "Take it out of the role, or whoever is given that name will hold it.",
)
SEVERAL_DUTIES = Reason(
    "CF-CTR-107",
    "user {user!r} {duties}: who gets its password has all of that",
    "Give each duty a user of its own.",
)
APPLICATION_CHECKS_OFF = Reason(
    "CF-CTR-108",
    "application_security is off: roles of handlers are not checked",
    "Remove it; it follows administrative security unless set.",
)
UNSECURED_ALLOWED = Reason(
    "CF-CTR-109",
    'application {application!r} says unsecured = "allow": it would run without role checks where security is off',
    'Remove it, or write "refuse", unless it may.',
)
DUTIES_UNTOLD = Reason(
    "CF-CTR-110",
    "the adapter could not say whom it trusts with what: {failure}",
    "Put right what the text says, and check again.",
)

ADMINISTERS: Final = "may change the configuration"
RUNS_WORK: Final = "is who works run as"
#: To look and to operate is no duty that somebody else's password should not lead to.
_POWERFUL: Final = ("configurator", "administrator")


def duty_findings(parts: Parts) -> Iterator[Told]:
    """All findings: severity, reason, place, inserts. Blocks for the registry."""
    configuration = parts.configuration
    if configuration.container.security and not configuration.container.application_security:
        yield "warning", APPLICATION_CHECKS_OFF, "container.application_security", {}
    for name, application in configuration.applications.items():
        if application.unsecured == "allow":
            place = show_key_path(("applications", name, "application", "unsecured"))
            yield "note", UNSECURED_ALLOWED, place, {"application": name}
    try:
        yield from _unknown(parts)
        yield from _several(parts)
    except RegistryUnavailable:
        return  # reported once, of the realm


def _unknown(parts: Parts) -> Iterator[Told]:
    configuration = parts.configuration
    for role, holders in configuration.admin.items():
        place = show_key_path(("admin", role))
        yield from _unknown_of(parts.identity, role, place, holders)
    for name, application in configuration.applications.items():
        identity = parts.realms[application.realm or configuration.container.realm]
        for role, bound in application.roles.items():
            place = show_key_path(("applications", name, "roles", role))
            holders = (*(f"user:{user}" for user in bound.users), *(f"group:{group}" for group in bound.groups))
            yield from _unknown_of(identity, role, place, holders)


def _unknown_of(identity: ContainerIdentity, role: str, place: str, holders: tuple[str, ...]) -> Iterator[Told]:
    for holder in holders:
        kind, _, name = holder.partition(":")
        known = identity.user_exists if kind == "user" else identity.group_exists
        if "@" not in name and not known(name):
            yield "warning", HOLDER_UNKNOWN, place, {"holder": holder, "role": role, "realm": identity.realm}


def _several(parts: Parts) -> Iterator[Told]:
    """Users of whom more than one kind of duty is known; an administrator counts where its name or group is named."""
    duties: dict[str, list[Duty]] = {}
    for name, adapter in parts.adapters.items():
        try:
            told = tuple(adapter.duties())
        except Exception as error:  # noqa: BLE001 - an adapter's own code; the rest of the report is wanted
            yield "warning", DUTIES_UNTOLD, f"adapter {name}", {"failure": error}
            continue
        for duty in told:
            duties.setdefault(duty.user, []).append(duty)
    for duty in _run_as(parts):
        duties.setdefault(duty.user, []).append(duty)
    named = {holder.partition(":")[2] for role in _POWERFUL for holder in parts.configuration.admin.get(role, ())}
    for user in sorted({*duties, *named}):
        of_user = [*duties.get(user, ()), *_administers(parts, user)]
        kinds = sorted({duty.kind for duty in of_user})
        if len(kinds) > 1:
            yield "warning", SEVERAL_DUTIES, of_user[0].place, {"user": user, "duties": ", and ".join(kinds)}


def _run_as(parts: Parts) -> Iterator[Duty]:
    for name, application in parts.configuration.applications.items():
        for activation, settings in application.activations.items():
            alias = run_as_alias(settings.run_as)
            data = None if alias is None else parts.auth_data.get(alias)
            if data is not None:
                place = show_key_path(("applications", name, "activations", activation, "run_as"))
                yield Duty(data.user, RUNS_WORK, place)


def _administers(parts: Parts, user: str) -> Iterator[Duty]:
    groups = parts.identity.groups_of(user) if parts.identity.user_exists(user) else ()
    holds = {f"user:{user}", *(f"group:{group}" for group in groups)}
    for role in _POWERFUL:
        if holds & set(parts.configuration.admin.get(role, ())):
            yield Duty(user, ADMINISTERS, show_key_path(("admin", role)))
