"""What a changed configuration means for adapters: new ones are started, others are told of their sections (CONF-8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector.container.adapter_life import start_adapter, stop_adapter
from connector.container.configuration.placing import placed
from connector.container.configuration.settings import ContainerConfiguration
from connector.container.live.steps import Step
from connector.errors import ConfigError

if TYPE_CHECKING:
    from connector.container.parts import Parts


@dataclass(slots=True)
class AdapterChanges:
    """What is to be done for adapters.

    Attributes:
        steps: In order.
        sections: By adapter, the sections that are in force once the steps are made.
        restart: The key paths, as adapters show them, of what waits for a restart.
    """

    steps: list[Step] = field(default_factory=list)
    sections: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    restart: list[str] = field(default_factory=list)


def adapter_changes(parts: Parts, new: ContainerConfiguration) -> AdapterChanges:
    """Ask the adapters what of their sections' change can be live; changes nothing yet.

    Blocks as long as adapters do. Raises ConfigError, placed, for sections that an adapter finds wrong.
    """
    old = parts.configuration
    changes = AdapterChanges()
    wanted = {resource.adapter for resource in new.resources.values()} | set(new.sections)
    for name in sorted(wanted | set(old.sections)):
        before, after = old.sections.get(name, {}), new.sections.get(name, {})
        adapter = parts.adapters.get(name)
        changes.sections[name] = after
        if adapter is None:
            changes.steps.append(
                Step(
                    f"adapter {name}",
                    lambda name=name: start_adapter(parts, name, new),  # type: ignore[misc]
                    lambda name=name: stop_adapter(parts, name),  # type: ignore[misc]
                )
            )
        elif before != after:
            try:
                change = adapter.sections_changed(after)
            except ConfigError as error:
                raise placed(error, new) from None
            if change is None:
                changes.sections[name] = before
                changes.restart += [*before, *after]
                continue
            changes.restart += change.restart
            changes.steps.append(Step(f"sections of adapter {name}", change.apply, change.undo))
    changes.sections = {name: sections for name, sections in changes.sections.items() if sections}
    return changes
