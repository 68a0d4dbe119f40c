"""The import name `connector` belongs to another distribution as well: said plainly instead of failing oddly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions

from connector.container.plugins.contracts import OWN_DISTRIBUTION
from connector.errors import PluginError, Reason

IMPORT_NAME_CLASH = Reason(
    "CF-PLUG-020",
    "the distribution(s) {others} install an import package 'connector' as well: one overwrites the other's files",
    "Uninstall {others}, then reinstall connector-framework; or use a virtual environment of its own.",
)


def check_import_name(distributions: Mapping[str, Sequence[str]] | None = None) -> None:
    """Refuse an environment in which another distribution brings an import package `connector`.

    Args:
        distributions: Import name to distributions; by default what is installed. Reading that blocks for the disk
            and takes tens of milliseconds: for `connector check` and for explaining a failed import, not each start.

    Raises:
        PluginError: There is such a distribution.
    """
    installed = packages_distributions() if distributions is None else distributions
    others = sorted({name for name in installed.get("connector", ()) if name.lower() != OWN_DISTRIBUTION})
    if others:
        raise PluginError(IMPORT_NAME_CLASH, others=", ".join(others))
