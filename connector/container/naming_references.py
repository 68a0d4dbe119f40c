"""What look-ups from outside are answered with: settings, never secrets (CONF-6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.container.configuration.settings import ResourceSettings
from connector.container.naming import unknown
from connector.spi import NamingReference, ResourceAdapter, Secret

#: What they are about; activations are no names for clients.
_KINDS = ("connection-factory", "destination")


def naming_reference(
    name: str, resources: Mapping[str, ResourceSettings], adapters: Mapping[str, ResourceAdapter]
) -> NamingReference:
    """The reference of a global name. Raises NameNotFound. Pure but for what the adapter does, which doesn't block."""
    offered = {key: each for key, each in resources.items() if each.kind in _KINDS}
    configured = offered.get(name)
    if configured is None:
        raise unknown("connection factory or destination", name, "this container", offered)
    kind: Any = configured.kind
    adapter = adapters.get(configured.adapter)
    said = None if adapter is None else adapter.naming_reference(kind, name, configured.properties)
    if said is None:
        said = NamingReference(kind, configured.adapter, configured.properties)
    # Whatever an adapter answers: no secret leaves, and nobody is told whom to sign on as.
    return NamingReference(said.kind, said.adapter, _without_secrets(said.properties))


def _without_secrets(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_secrets(value) if isinstance(value, Mapping) else value
        for key, value in properties.items()
        if not isinstance(value, Secret) and key != "user"
    }
