"""What `check` says of realms: maps that lead to nobody, caches without effect, registries out of reach (FLOW-3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from connector.container.configuration.key_paths import show_key_path
from connector.container.finding import Told
from connector.errors import Reason, RegistryUnavailable

if TYPE_CHECKING:
    from connector.container.parts import Parts
    from connector.security.identity import ContainerIdentity

MAP_TARGET_UNKNOWN = Reason(
    "CF-CTR-092",
    "the inbound map leads to the user {user!r}, whom the realm {realm!r} does not know: {who} will be refused",
    "Add the user, or correct the map.",
)
MAP_GROUP_UNKNOWN = Reason(
    "CF-CTR-093",
    "the inbound map leads to the group {group!r}, which the realm {realm!r} does not know: it will be dropped",
    "Correct the map, or put a user into the group.",
)
MAP_LETS_ANYBODY_IN = Reason(
    "CF-CTR-094",
    "the inbound map makes every user of realm {foreign!r} without an entry the user {user!r}",
    "See that this user may do only what any of them may.",
)
GROUP_CACHE_WITHOUT_EFFECT = Reason(
    "CF-CTR-095",
    "group_cache has no effect: the registry {registry!r} keeps its answers itself",
    "Remove it; the registry's own settings say how long it keeps them.",
)
REGISTRY_AWAY = Reason(
    "CF-CTR-096",
    "the registry of the realm {realm!r} can't be asked: {failure}",
    "Put right what the text says; until then nobody can log in there who is not known already.",
)
VERIFIERS_LACKING = Reason(
    "CF-CTR-530",
    "{count} of the users of realm {realm!r} have no verifier ({users}): with scram = true SCRAM-SHA-256 is offered "
    "once each has one",
    "Set their passwords with `connector users passwd`, which makes the verifiers.",
)
#: How many of them are named.
_NAMED: Final = 5

LAST_GOOD_USERS = Reason(
    "CF-CTR-581",
    "the users file of the realm {realm!r} can't be used as it stands, the users known last are in force: {failure}",
    "Put it right: the file is read again at the next look-up. Whoever was to lose access by that edit still has it.",
)


def realm_findings(parts: Parts) -> Iterator[Told]:
    """All findings: severity, reason, place, inserts. Blocks for the registries."""
    for name, identity in parts.realms.items():
        settings = parts.configuration.realms[name]
        if settings.group_cache is not None and identity.remembers:
            place = show_key_path(("realms", name, "group_cache"))
            yield "warning", GROUP_CACHE_WITHOUT_EFFECT, place, {"registry": settings.registry}
        if identity.out_of_force:
            place = show_key_path(("realms", name))
            yield "error", LAST_GOOD_USERS, place, {"realm": name, "failure": identity.out_of_force}
        try:
            yield from _maps(name, identity)
            yield from _verifiers(name, identity)
        except RegistryUnavailable as error:
            place = show_key_path(("realms", name))
            yield "error", REGISTRY_AWAY, place, {"realm": name, "failure": f"{error.code}: {error.text}"}


def _maps(name: str, identity: ContainerIdentity) -> Iterator[Told]:
    for foreign, inbound in identity.inbound_maps.items():
        place = show_key_path(("realms", name, "inbound_maps", foreign))
        for user, who in inbound.targets().items():
            if not identity.user_exists(user):
                yield "error", MAP_TARGET_UNKNOWN, place, {"user": user, "realm": name, "who": ", ".join(who)}
            elif "*" in who:
                yield "note", MAP_LETS_ANYBODY_IN, place, {"foreign": foreign, "user": user}
        for group in sorted(set(inbound.groups.values())):
            if not identity.group_exists(group):
                yield "warning", MAP_GROUP_UNKNOWN, place, {"group": group, "realm": name}


def _verifiers(name: str, identity: ContainerIdentity) -> Iterator[Told]:
    lacking = identity.without_verifier()
    if lacking:
        shown = ", ".join(lacking[:_NAMED]) + (", …" if len(lacking) > _NAMED else "")
        place = show_key_path(("realms", name, "scram"))
        yield "note", VERIFIERS_LACKING, place, {"count": len(lacking), "realm": name, "users": shown}
