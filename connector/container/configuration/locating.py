"""In which file a key lives: the main file, or the descriptor of its application (CONF-3, CONF-8). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.layers import APPLICATIONS, DESCRIPTOR

_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Location:
    """Where a key is to be written.

    Attributes:
        file: The file, absolute.
        path: The key's path in that file.
    """

    file: Path
    path: KeyPath


def locate(path: KeyPath, main: Path, data: Mapping[str, Any]) -> Location:
    """Where a key is to be written.

    An application's keys live in its descriptor, but those that the main file overrides already: there they win, so
    that a change of the descriptor would have no effect. `applications.NAME` and its `descriptor` are the main file's.

    Args:
        path: From the top, an application's keys under `applications` and its name.
        main: The main file, absolute.
        data: What the main file says by itself.
    """
    if len(path) < 3 or path[0] != APPLICATIONS:
        return Location(main, path)
    application = value_at(data, path[:2], _MISSING)
    if isinstance(application, str):
        if path[2] == DESCRIPTOR:
            return Location(main, path[:2])
        return Location(main.parent / application, path[2:])
    if application is _MISSING or path[2] == DESCRIPTOR or value_at(data, path, _MISSING) is not _MISSING:
        return Location(main, path)
    descriptor = value_at(application, (DESCRIPTOR,))
    if not isinstance(descriptor, str):
        return Location(main, path)
    return Location(main.parent / descriptor, path[2:])
