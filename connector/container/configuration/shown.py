"""Settings as they may be shown: what is or may be a secret is left out (AUTHD-4). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from connector.container.configuration.key_paths import KeyPath

#: What stands for a secret.
HIDDEN: Final = "********"

# By the key's own name, as in the messages about mistakes; what only says where a secret is may be shown.
_SECRET_KEY = re.compile(r"pass|secret|token|credential|pwd|private", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"://[^/\s]*@|[?&;](?:password|passwd|pwd|secret|token)=", re.IGNORECASE)
_SOURCE = re.compile(r"(?:file|env|keyring|passphrase):|(?:prompt|stdin|passphrase)$")


def shown(value: Any, path: KeyPath, secret: bool = False) -> Any:
    """A value with its secrets hidden, however deep; tables and lists as plain data.

    Args:
        value: What stands at the path.
        path: Where; the name of the last key tells whether a text may be a secret.
        secret: Whether it is declared to be one.
    """
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    if isinstance(value, Mapping):
        return {name: shown(below, (*path, name), secret) for name, below in value.items()}
    if isinstance(value, list | tuple):
        return [shown(below, path, secret) for below in value]
    if isinstance(value, str) and _SECRET_VALUE.search(value):
        return HIDDEN
    if (secret or _SECRET_KEY.search(key)) and isinstance(value, str | int) and not isinstance(value, bool):
        return value if isinstance(value, str) and _SOURCE.match(value) else HIDDEN
    return value
