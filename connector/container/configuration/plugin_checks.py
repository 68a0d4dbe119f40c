"""Whether a plugin that a configuration names is there and can be used."""

from __future__ import annotations

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.problems import ProblemCollector, did_you_mean, listed
from connector.container.plugins.catalogue import PluginCatalogue
from connector.errors import Reason

PLUGIN_NOT_FOUND = Reason(
    "CF-CONF-040",
    "the unknown {what} {name!r}",
    "Correct the name, or install what brings it; see connector plugins.",
)
PLUGIN_NOT_USABLE = Reason(
    "CF-CONF-041",
    "the {what} {name!r}, whose plugin (from {distribution}) is {state}: {why}",
    "Put the plugin right, or use another one.",
)


def check_plugin(
    catalogue: PluginCatalogue,
    group: str,
    name: str,
    path: KeyPath,
    problems: ProblemCollector,
    *,
    what: str,
    consequence: str = "",
) -> bool:
    """Whether the plugin can be used; notes a problem if not. Imports nothing.

    Args:
        catalogue: The plugins.
        group: The entry-point group.
        name: The name that the configuration gives.
        path: Where it stands.
        problems: Where the problem goes.
        what: What the name is meant to be, for people: `adapter`, `user registry`.
        consequence: What it would mean at run time, where that depends on the configuration.
    """
    so = f" As it stands {consequence}." if consequence else ""
    known = catalogue.names(group)
    if name in known:
        return True
    info = catalogue.info(group, name)
    if info is None:
        hint = (did_you_mean(name, known) or PLUGIN_NOT_FOUND.action) + so
        problems.add(PLUGIN_NOT_FOUND, path, allowed=listed(known), hint=hint, what=what, name=name)
    else:
        problems.add(
            PLUGIN_NOT_USABLE,
            path,
            allowed=listed(known),
            hint=PLUGIN_NOT_USABLE.action + so,
            what=what,
            name=name,
            distribution=info.distribution or "an unknown distribution",
            state=info.state.value,
            why=info.reason,
        )
    return False
