"""Checking an activation: what its settings mean together, and what they name (FLOW-6, FLOW-8)."""

from __future__ import annotations

from collections.abc import Mapping

from connector.container.configuration.activation_section import ActivationSection
from connector.container.configuration.application import RoleSection
from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.problems import ProblemCollector, did_you_mean, listed
from connector.errors import Reason

ORDER_AND_CONCURRENCY = Reason(
    "CF-CONF-080",
    'concurrency = {concurrency} with ordering = "queue", which delivers one message at a time',
    'Leave concurrency out, or keep the order of groups only: ordering = "group".',
)
RUN_AS_WRONG = Reason(
    "CF-CONF-081",
    "run_as = {run_as!r}",
    "Name an authentication alias or a role of the application.",
)
RUN_AS_ROLE_UNKNOWN = Reason(
    "CF-CONF-082",
    "run_as names the role {role!r}, which nothing binds",
    "Bind it to one user: [roles.{role}] users.",
)
RUN_AS_WHOM = Reason(
    "CF-CONF-083",
    "run_as names the role {role!r}, which is bound to {count} users by name: it does not say as whom",
    'Bind exactly one user to the role, or name an alias: run_as = "alias:NAME".',
)
NO_TIME = Reason(
    "CF-CONF-084",
    "transaction_timeout = 0: no unit of work could be committed",
    "Leave it out, or give more.",
)

ALIAS, ROLE = "alias", "role"


def run_as_parts(run_as: str) -> tuple[str, str]:
    """The kind (`alias` or `role`) and the name in a `run_as`; empty texts for a wrong one. Pure."""
    kind, separator, name = run_as.partition(":")
    return (kind, name) if separator and name and kind in (ALIAS, ROLE) else ("", "")


def run_as_alias(run_as: str | None) -> str | None:
    """The alias that a `run_as` names; None where it names none. Pure."""
    kind, name = run_as_parts(run_as or "")
    return name if kind == ALIAS else None


def check_activation(
    activation: ActivationSection, roles: Mapping[str, RoleSection], path: KeyPath, problems: ProblemCollector
) -> None:
    """Add the mistakes of one activation that its shape does not tell.

    Args:
        activation: The activation, of the right shape.
        roles: The roles that the application binds, as far as they have the right shape.
        path: Where it stands.
        problems: Where mistakes go.
    """
    if activation.ordering == "queue" and activation.concurrency > 1:
        where = (*path, "concurrency")
        problems.add(ORDER_AND_CONCURRENCY, where, allowed="1", concurrency=activation.concurrency)
    if activation.transaction_timeout == 0:
        problems.add(NO_TIME, (*path, "transaction_timeout"), allowed="a longer duration")
    if activation.run_as is not None:
        _check_run_as(activation.run_as, roles, (*path, "run_as"), problems)


def _check_run_as(run_as: str, roles: Mapping[str, RoleSection], path: KeyPath, problems: ProblemCollector) -> None:
    kind, name = run_as_parts(run_as)
    if not kind:
        problems.add(RUN_AS_WRONG, path, allowed='"alias:NAME" or "role:NAME"', run_as=run_as)
    elif kind == ROLE and name not in roles:
        problems.add(RUN_AS_ROLE_UNKNOWN, path, allowed=listed(roles), hint=did_you_mean(name, roles), role=name)
    elif kind == ROLE and len(roles[name].users) != 1:
        problems.add(RUN_AS_WHOM, path, allowed="a role with one user", role=name, count=len(roles[name].users))
