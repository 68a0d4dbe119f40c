"""The protocol engine's library, loaded where it is first used: listing the adapter needs none of it."""

from __future__ import annotations

import importlib
from typing import Any

from connector.errors import ConfigError, Reason

LIBRARY_MISSING = Reason(
    "CF-AMQP-001",
    "the adapter amqp needs the package python-qpid-proton, which can't be loaded: {why}",
    "Install the extra: pip install 'connector-framework[amqp]'; it is built from source and needs a C compiler.",
)


def load_proton() -> Any:
    """The library. Raises ConfigError CF-AMQP-001."""
    try:
        return importlib.import_module("proton")
    except (ImportError, OSError) as error:
        raise ConfigError(LIBRARY_MISSING, why=error) from error
