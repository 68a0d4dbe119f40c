"""Edits that have no effect, since the environment or an explicit override says something else (CONF-8). Pure."""

from __future__ import annotations

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.origins import ENVIRONMENT, OVERRIDES, Origins


def overriding(origins: Origins, path: KeyPath) -> str | None:
    """What wins over the files for a key: the name of a variable, `overrides`, or None where the files are asked.

    Args:
        origins: Who said what, of the configuration with the edit made.
        path: The key, from the top.
    """
    place = origins.of(path)
    if place.file == ENVIRONMENT:
        return place.variable
    return OVERRIDES if place.file == OVERRIDES else None
