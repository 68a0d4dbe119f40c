"""The import name `connector` belongs to another distribution as well: said plainly instead of failing oddly."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from typing import Final

from connector.container.plugins.contracts import OWN_DISTRIBUTION
from connector.errors import PluginError, Reason

IMPORT_NAME_CLASH = Reason(
    "CF-PLUG-020",
    "the distribution(s) {others} install an import package 'connector' as well: one overwrites the other's files",
    "Uninstall {others}, then reinstall connector-framework; or use a virtual environment of its own.",
)

#: What a distribution says of its files, and how it says that a package or module `connector` is one of them. Looked
#: for as text: `importlib.metadata.packages_distributions` makes an object of each file that is installed.
_LISTS: Final = {
    "RECORD": re.compile(r"^connector(/|\.py,)", re.MULTILINE),
    "top_level.txt": re.compile(r"^connector$", re.MULTILINE),
}


def check_import_name(installed: Iterable[Distribution] | None = None) -> None:
    """Refuse an environment in which another distribution brings an import package `connector`.

    Args:
        installed: The distributions; by default all that are installed. Reading what they say blocks for the disk and
            takes some ten milliseconds: for `connector check`, not each start.

    Raises:
        PluginError: There is such a distribution.
    """
    bringing = (each for each in (distributions() if installed is None else installed) if _brings(each))
    others = sorted({each.name for each in bringing} - {OWN_DISTRIBUTION})
    if others:
        raise PluginError(IMPORT_NAME_CLASH, others=", ".join(others))


def _brings(distribution: Distribution) -> bool:
    return any(names.search(distribution.read_text(file) or "") for file, names in _LISTS.items())
