"""Starting one adapter and stopping it: with the container, or later, by a change of the configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from connector.container.bootstrap import AdapterBootstrap
from connector.container.configuration.placing import placed
from connector.container.configuration.settings import ContainerConfiguration
from connector.container.deployment import add_to_import_path
from connector.container.required_contexts import check_required_contexts
from connector.errors import ConfigError, ConnectorError
from connector.spi import ResourceAdapter

if TYPE_CHECKING:
    from connector.container.parts import Parts

log = logging.getLogger("connector.container")


def start_adapter(parts: Parts, name: str, configuration: ContainerConfiguration) -> None:
    """Start one adapter with its sections of a configuration, placing its mistakes. Raises what it raises."""
    for application in configuration.applications.values():
        add_to_import_path(application.path)  # a bus loads mediations by name, which stand beside the handlers
    load = parts.catalogue.load("connector.adapters", name)
    check_required_contexts(parts.catalogue.adapters[name], parts.work_manager)
    adapter: ResourceAdapter = load()
    context = AdapterBootstrap(
        container_name=configuration.container.name,
        work_manager=parts.work_manager.for_adapter(name),
        identity=parts.identity,
        state_folder=parts.state.adapter_folder(name),
        sections=configuration.sections.get(name, {}),
        audit=parts.audit,
        clock=parts.clock,
        tls=parts.tls,
        transactions=parts.transactions,
        authentication_data=parts.auth_data.require,
    )
    try:
        adapter.start(context)
    except ConfigError as error:
        raise placed(error, configuration) from None
    parts.adapters[name] = adapter


def stop_adapter(parts: Parts, name: str) -> None:
    """Stop one adapter; raises nothing."""
    stop_quietly(f"adapter {name}", parts.adapters.pop(name).stop)


def stop_quietly(what: str, stop: Callable[[], object]) -> None:
    """Stop one part; what it raises must not keep the others from stopping."""
    try:
        stop()
    except Exception as error:  # noqa: BLE001 - foreign code; the others must be stopped all the same
        text = str(error) if isinstance(error, ConnectorError) else type(error).__name__
        log.error("stopping the %s failed: %s", what, text)
