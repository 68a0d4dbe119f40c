"""Admin roles: who may administer what (CONF-4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from connector.spi import Subject

#: Each role with the roles that it includes.
INCLUDES: Mapping[str, frozenset[str]] = {
    "monitor": frozenset({"monitor"}),
    "operator": frozenset({"monitor", "operator"}),
    "configurator": frozenset({"monitor", "configurator"}),
    "administrator": frozenset({"monitor", "operator", "configurator", "administrator"}),
}


def admin_roles_of(
    subject: Subject | None, granted: Mapping[str, Iterable[str]], realm: str, *, security: bool
) -> frozenset[str]:
    """The admin roles that a subject holds, included ones as well.

    Args:
        subject: Who asks; None for nobody.
        granted: By role the holders, as `user:NAME` or `group:NAME`.
        realm: The container's realm; users of other realms hold nothing.
        security: Administrative security; off means that everybody holds everything.
    """
    if not security:
        return INCLUDES["administrator"]
    if subject is None or not subject.is_authenticated or subject.caller is None or subject.caller.realm != realm:
        return frozenset()
    holds = {f"user:{subject.caller.name}"} | {f"group:{group}" for group in subject.groups}
    roles: frozenset[str] = frozenset()
    for role, holders in granted.items():
        if holds & set(holders):
            roles |= INCLUDES[role]
    return roles
