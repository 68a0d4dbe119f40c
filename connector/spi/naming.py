"""What a container tells clients outside about a name, so that they can make the object themselves (CONF-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, final

#: What look-ups from outside are about.
NamingKind = Literal["connection-factory", "destination"]


@final
@dataclass(frozen=True, slots=True)
class NamingReference:
    """How a client outside gets at what a name stands for: by which adapter of its own, with which settings.

    Attributes:
        kind: `connection-factory` or `destination`.
        adapter: The name of the adapter that the client needs.
        properties: What that adapter is to be told, as plain data; never a secret, and no user: how to sign on is the
            client's own business.
    """

    kind: NamingKind
    adapter: str
    properties: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
