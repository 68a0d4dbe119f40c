"""The ways to other buses as the configuration writes them (BUS-9, BUS-14)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, final

from connector.errors import Reason
from connector_bus.adapter.assignment_reader import AssignmentReader
from connector_bus.adapter.destination_reader import key
from connector_bus.policy.roles import ResourceType
from connector_bus.settings import (
    NO_EXCEPTION_DESTINATION,
    DestinationSettings,
    ForeignBusSettings,
    LinkSettings,
    LinkTransport,
)

TRANSPORT_UNKNOWN = Reason("CF-BUS-216", "the transport {found}", "{allowed}")
ADDRESS_MISSING = Reason("CF-BUS-217", "a link over the transport local without address", "the socket of the other bus")
VIA_UNFIT = Reason("CF-BUS-218", "via = {found}", "another bus of foreign_buses that has a link of its own")
LINK_EXCEPTIONS_UNFIT = Reason(
    "CF-BUS-219", "the exception destination {found}", f'a queue of the bus, or "{NO_EXCEPTION_DESTINATION}"'
)
MAPPED_UNKNOWN = Reason("CF-BUS-220", "the topic space {found}", "a topic space of the bus")


@final
class LinkReader:
    """Reads the ways of one bus; the problems go to `reader`."""

    def __init__(self, reader: AssignmentReader) -> None:
        self._reader = reader

    def ways(
        self, path: str, tables: Mapping[str, Any], destinations: Mapping[str, DestinationSettings]
    ) -> Mapping[str, ForeignBusSettings]:
        """Read all; what is wrong is noted, and something fit is answered in its place."""
        ways = {
            name: ForeignBusSettings(
                self._link(f"{path}.{key(name)}.link", (table or {}).get("link"), destinations),
                (table or {}).get("via") or None,
            )
            for name, table in tables.items()
        }
        for name, way in ways.items():
            beyond = None if way.via is None else ways.get(way.via)
            if way.via is not None and (way.link is not None or beyond is None or beyond.link is None):
                self._reader.problem(VIA_UNFIT, f"{path}.{key(name)}.via", found=repr(way.via))
        return MappingProxyType(ways)

    def _link(
        self, path: str, table: Mapping[str, Any] | None, destinations: Mapping[str, DestinationSettings]
    ) -> LinkSettings | None:
        if table is None:
            return None
        transport = self._transport(path, table)
        address = table.get("address") or None
        if transport is LinkTransport.LOCAL and address is None:
            self._reader.problem(ADDRESS_MISSING, path)
        return LinkSettings(
            transport=transport,
            address=address,
            alias=table.get("alias") or None,
            outbound_user=table.get("outbound_user") or None,
            inbound_user=self._reader.user(f"{path}.inbound_user", table.get("inbound_user")),
            exception_destination=self._exceptions(path, table, destinations),
            topic_spaces=self._topic_spaces(path, table, destinations),
            enabled=table.get("enabled") is not False,
        )

    def _transport(self, path: str, table: Mapping[str, Any]) -> LinkTransport:
        written = table.get("transport") or LinkTransport.IN_PROCESS
        if written in list(LinkTransport):
            return LinkTransport(written)
        allowed = ", ".join(LinkTransport)
        self._reader.problem(TRANSPORT_UNKNOWN, f"{path}.transport", found=repr(written), allowed=allowed)
        return LinkTransport.IN_PROCESS

    def _exceptions(
        self, path: str, table: Mapping[str, Any], destinations: Mapping[str, DestinationSettings]
    ) -> str | None:
        to = table.get("exception_destination") or None
        if to is None or to == NO_EXCEPTION_DESTINATION:
            return to
        target = destinations.get(to)
        if target is None or target.kind is not ResourceType.QUEUE:
            self._reader.problem(LINK_EXCEPTIONS_UNFIT, f"{path}.exception_destination", found=repr(to))
        return str(to)

    def _topic_spaces(
        self, path: str, table: Mapping[str, Any], destinations: Mapping[str, DestinationSettings]
    ) -> Mapping[str, str]:
        spaces = dict(table.get("topic_spaces") or {})
        for name in spaces:
            target = destinations.get(name)
            if target is None or target.kind is not ResourceType.TOPIC_SPACE:
                self._reader.problem(MAPPED_UNKNOWN, f"{path}.topic_spaces.{key(name)}", found=repr(name))
        return MappingProxyType(spaces)
