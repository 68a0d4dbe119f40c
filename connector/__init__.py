"""The connector framework: one identity travels the whole circle.

What applications import stands here and is loaded when it is first used (PEP 562): `import connector` alone loads
nothing but this file. Adapter, mapper and plugin authors import `connector.spi`.
"""

from __future__ import annotations

# Not from `typing`: that alone would be most of what importing this package costs. Type checkers know the name.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from connector.admin.buses.administration import BusAdministration
    from connector.container.container import Container
    from connector.endpoint.declaration import MessageContext, message_driven
    from connector.errors import ConnectorError
    from connector.security.scope import capture, current_subject
    from connector.spi import Message, Secret, Subject

__version__ = "0.1.0"

__all__ = [
    "BusAdministration",
    "Container",
    "MessageContext",
    "message_driven",
    "Message",
    "Secret",
    "Subject",
    "ConnectorError",
    "capture",
    "current_subject",
    "__version__",
]

_HOME = {
    "BusAdministration": "connector.admin.buses.administration",
    "Container": "connector.container.container",
    "MessageContext": "connector.endpoint.declaration",
    "message_driven": "connector.endpoint.declaration",
    "Message": "connector.spi",
    "Secret": "connector.spi",
    "Subject": "connector.spi",
    "ConnectorError": "connector.errors",
    "capture": "connector.security.scope",
    "current_subject": "connector.security.scope",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'connector' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
