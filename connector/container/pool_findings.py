"""What `connector check` has to say of pools: settings without effect, and what an operator may have forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from connector.container.finding import Told
from connector.container.resources import own_plan
from connector.errors import Reason

if TYPE_CHECKING:
    from connector.container.parts import Parts

PER_IDENTITY_WITHOUT_EFFECT = Reason(
    "CF-CTR-038",
    "per_identity {per_identity} limits nobody: the whole pool has {max_size}",
    "Make per_identity smaller than max_size, or remove it.",
)
NOTHING_IS_OPENED = Reason(
    "CF-CTR-039",
    "min_size {min_size} opens nothing at the start: the resource signs on for its callers only, not by itself",
    "Give it a component_alias, or remove min_size; until then connections are kept as they come, up to that many.",
)
POOL_SUSPENDED = Reason(
    "CF-CTR-040",
    "the pool is suspended by an operator: nothing is lent, whoever asks waits",
    "`connector pool resume {resource}` lends again.",
)


def pool_findings(parts: Parts) -> Iterator[Told]:
    """Severity, reason, place and details of each finding. Does not connect; may import login modules."""
    # Those of the configuration: what operators' commands add has none to be wrong.
    for name in parts.direct.references:
        resource = parts.resources[name]
        configured, place = resource.pool.settings, f'resources."{name}".pool'
        limit, least = configured.per_identity, configured.min_size
        if limit is not None and limit >= configured.max_size:
            details = {"per_identity": limit, "max_size": configured.max_size}
            yield "note", PER_IDENTITY_WITHOUT_EFFECT, place, details
        if least and own_plan(parts.direct.manager(name)) is None:
            yield "note", NOTHING_IS_OPENED, place, {"min_size": least}
        if resource.pool.statistics().suspended:
            yield "warning", POOL_SUSPENDED, place, {"resource": name}
