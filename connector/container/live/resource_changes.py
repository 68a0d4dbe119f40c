"""What a changed configuration means for resources: new ones are made, pools resized; the rest waits (CONF-8)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from connector.container.configuration.settings import ContainerConfiguration, ResourceSettings
from connector.container.live.steps import Step
from connector.container.naming import direct_references
from connector.container.pool_changes import resize
from connector.container.recovery import register_resource
from connector.container.resources import fill, make_resource
from connector.container.startup import close_resource, look_after

if TYPE_CHECKING:
    from connector.container.parts import Parts

#: Keys of a pool that change while it lends.
LIVE_POOL_KEYS: Final = frozenset({"max_size", "min_size", "per_identity"})
_FACTORY = "connection-factory"


@dataclass(slots=True)
class ResourceChanges:
    """What is to be done for resources.

    Attributes:
        steps: In order; the adapters have been seen to before.
        settings: The resources' settings that are in force once the steps are made.
    """

    steps: list[Step] = field(default_factory=list)
    settings: dict[str, ResourceSettings] = field(default_factory=dict)


def resource_changes(parts: Parts, new: ContainerConfiguration) -> ResourceChanges:
    """What is to be done. Changes nothing, does not block."""
    old = parts.configuration.resources
    changes = ResourceChanges()
    for name, wanted in new.resources.items():
        present = old.get(name)
        if present is None:
            changes.settings[name] = wanted
            if wanted.kind == _FACTORY:
                changes.steps.append(_made(parts, wanted))
        elif is_rebindable(present, wanted):
            changes.settings[name] = wanted
        else:
            changes.settings[name] = _with_live_pool(present, wanted)
            if changes.settings[name].pool != present.pool:
                changes.steps.append(_resized(parts, present, changes.settings[name]))
    # A factory may be in use by whoever looked it up: it goes with the container.
    changes.settings |= {n: each for n, each in old.items() if n not in new.resources and each.kind == _FACTORY}
    return changes


def is_rebindable(present: ResourceSettings, wanted: ResourceSettings) -> bool:
    """Whether only activations depend on a resource, which are activated anew where it changes."""
    return present.kind == wanted.kind != _FACTORY and present.adapter == wanted.adapter


def _with_live_pool(present: ResourceSettings, wanted: ResourceSettings) -> ResourceSettings:
    """The settings in force, with the pool's sizes that are wanted."""
    if (present.kind, present.adapter) != (wanted.kind, wanted.adapter):
        return present
    sizes = {key: getattr(wanted.pool, key) for key in LIVE_POOL_KEYS}
    return replace(present, pool=present.pool.model_copy(update=sizes))


def _made(parts: Parts, settings: ResourceSettings) -> Step:
    name = settings.name

    def make() -> None:
        descriptor = parts.catalogue.adapters[settings.adapter]
        adapter = parts.adapters[settings.adapter]
        resource = make_resource(name, settings, adapter, descriptor, parts.clock, parts.audit)
        parts.resources[name] = resource
        parts.direct.rebind({**parts.direct.declared, **direct_references([name])})
        look_after(parts, name, resource)
        register_resource(parts, resource, settings.recovery_alias)

    def take_away() -> None:
        resource = parts.resources.pop(name)
        parts.direct.rebind({n: each for n, each in parts.direct.declared.items() if n != name})
        close_resource(name, resource)

    return Step(f"resource {name}", make, take_away)


def _resized(parts: Parts, present: ResourceSettings, wanted: ResourceSettings) -> Step:
    resource = parts.resources[present.name]
    now = resource.pool.statistics()

    def grow() -> None:
        pool = wanted.pool
        resize(resource, pool.max_size, pool.min_size, pool.per_identity)
        if pool.min_size:
            fill(resource, parts.direct.manager(present.name))
            parts.housekeeper.add(resource.pools)

    return Step(f"pool of {present.name}", grow, lambda: resize(resource, now.max_size, now.min_size, now.per_identity))
