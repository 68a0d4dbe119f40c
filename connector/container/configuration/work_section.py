"""`[work]`: how many works of adapters may run at once (FLOW-1), and the work manager's limits made of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field

from connector.container.configuration.plugin_checks import check_plugin
from connector.container.configuration.problems import ProblemCollector
from connector.container.configuration.sections import Section, empty
from connector.container.configuration.shape import shaped
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import ADAPTERS
from connector.errors import Reason
from connector.work.limits import AdapterLimits, WorkLimits

LIMIT_WITHOUT_EFFECT = Reason(
    "CF-CONF-065",
    "{key} = {own} for the adapter {adapter!r}, where all adapters together have {total}",
    "Lower it, or raise {key} of [work].",
)

_DEFAULTS = WorkLimits()


class AdapterWorkSection(Section):
    """`per_adapter.NAME` of `[work]`: limits of one adapter; without a key it has no other limit than all together."""

    max_threads: Annotated[int, Field(ge=1)] | None = None
    max_long_running: Annotated[int, Field(ge=1)] | None = None


class WorkSection(Section):
    """`[work]`: how many works of adapters run at once; what is above that waits, each adapter's in a line of its own.

    `max_threads` counts short works, message deliveries for example; `max_long_running` those that say that they run
    long, on threads apart. Of each of them one is kept for every adapter that runs nothing, so none can take them all.
    """

    max_threads: Annotated[int, Field(ge=1)] = _DEFAULTS.max_threads
    max_long_running: Annotated[int, Field(ge=1)] = _DEFAULTS.max_long_running
    per_adapter: Mapping[str, AdapterWorkSection] = Field(default_factory=empty)


def check_work(data: Mapping[str, Any], catalogue: PluginCatalogue, problems: ProblemCollector) -> WorkLimits:
    """`[work]`; the defaults without it. Pure."""
    section = shaped(WorkSection, data.get("work", {}), ("work",), problems).section or WorkSection()
    limits: dict[str, AdapterLimits] = {}
    for name, own in section.per_adapter.items():
        path = ("work", "per_adapter", name)
        check_plugin(catalogue, ADAPTERS, name, path, problems, what="adapter")
        for key in AdapterWorkSection.model_fields:
            limit, total = getattr(own, key), getattr(section, key)
            if limit is not None and limit > total:
                problems.add(
                    LIMIT_WITHOUT_EFFECT,
                    (*path, key),
                    allowed=f"at most {total}",
                    key=key,
                    own=limit,
                    adapter=name,
                    total=total,
                )
        limits[name] = AdapterLimits(own.max_threads, own.max_long_running)
    return WorkLimits(section.max_threads, section.max_long_running, MappingProxyType(limits))
