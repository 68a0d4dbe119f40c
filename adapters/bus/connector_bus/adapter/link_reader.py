"""The ways to other buses as the configuration writes them (BUS-9, BUS-14)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, final

from connector.errors import Reason
from connector_bus.adapter.assignment_reader import AssignmentReader
from connector_bus.adapter.destination_reader import key
from connector_bus.chains.settings import BASIC, SECURE
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
ENDPOINT_UNFIT = Reason("CF-BUS-448", "the endpoint {found} of a link", "HOST:PORT, and at least one")
CHAIN_UNFIT = Reason("CF-BUS-449", "a link over chain {chain} {fault}", "{wanted}")
RECEIVE_UNKNOWN = Reason("CF-LINK-448", "the destination {found}", "a destination of the bus")
CERTIFICATE_UNFIT = Reason("CF-BUS-534", "certificate_user on a link {fault}", "{wanted}")
PLAIN_UNFIT = Reason(
    "CF-BUS-450",
    "a link in plain text, over which {what} can be read and changed on the way",
    "a chain with TLS and tls = NAME; or allow_plain = true, where nobody can listen",
)


@final
class LinkReader:
    """Reads the ways of one bus; the problems go to `reader`.

    Args:
        reader: Reads holders and users.
        secured: Whether the security of the bus is in force.
    """

    def __init__(self, reader: AssignmentReader, *, secured: bool = False) -> None:
        self._reader = reader
        self._secured = secured

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
        network = {}
        if transport is LinkTransport.CHAIN:
            network = self._network(path, table)
        elif transport is LinkTransport.AMQP:
            network = self._broker(path, table, destinations)
        return LinkSettings(
            **network,
            transport=transport,
            address=address,
            alias=table.get("alias") or None,
            certificate_user=self._certificate_user(path, table, transport),
            outbound_user=table.get("outbound_user") or None,
            inbound_user=self._reader.user(f"{path}.inbound_user", table.get("inbound_user")),
            exception_destination=self._exceptions(path, table, destinations),
            topic_spaces=self._topic_spaces(path, table, destinations),
            enabled=table.get("enabled") is not False,
        )

    def _certificate_user(self, path: str, table: Mapping[str, Any], transport: LinkTransport) -> str | None:
        """Whose the other end's certificate has to be: only where there can be one, and nothing else says who."""
        user = table.get("certificate_user") or None
        if user is None:
            return None
        place = f"{path}.certificate_user"
        if transport not in (LinkTransport.CHAIN, LinkTransport.AMQP) or not table.get("tls"):
            wanted = "tls = NAME and endpoints, or an alias"
            self._reader.problem(CERTIFICATE_UNFIT, place, fault="without TLS over the network", wanted=wanted)
        elif table.get("alias"):
            self._reader.problem(CERTIFICATE_UNFIT, place, fault="with alias", wanted="either of the two")
        return str(user)

    def _transport(self, path: str, table: Mapping[str, Any]) -> LinkTransport:
        written = table.get("transport") or (
            LinkTransport.CHAIN if table.get("endpoints") else LinkTransport.IN_PROCESS
        )
        if written in list(LinkTransport):
            return LinkTransport(written)
        allowed = ", ".join(LinkTransport)
        self._reader.problem(TRANSPORT_UNKNOWN, f"{path}.transport", found=repr(written), allowed=allowed)
        return LinkTransport.IN_PROCESS

    def _network(self, path: str, table: Mapping[str, Any]) -> dict[str, Any]:
        """What a link to a chain says beside the rest."""
        endpoints = self._endpoints(path, table)
        chain, tls = str(table.get("chain") or SECURE), table.get("tls") or None
        allowed = table.get("allow_plain") is True
        if chain == SECURE and tls is None:
            wanted = "tls = NAME, a TLS configuration"
            self._reader.problem(CHAIN_UNFIT, f"{path}.tls", chain=chain, fault="without tls", wanted=wanted)
        elif chain == BASIC and tls is not None:
            wanted = f"{SECURE}, or no tls"
            self._reader.problem(CHAIN_UNFIT, f"{path}.chain", chain=chain, fault="with tls", wanted=wanted)
        else:
            self._require_guarded(f"{path}.chain", table)
        return {"endpoints": endpoints, "chain": chain, "tls": tls, "allow_plain": allowed}

    def _broker(
        self, path: str, table: Mapping[str, Any], destinations: Mapping[str, DestinationSettings]
    ) -> dict[str, Any]:
        """What a link to a broker says beside the rest."""
        self._require_guarded(f"{path}.tls", table)
        receive = dict(table.get("receive") or {})
        for address, name in receive.items():
            if name not in destinations:
                self._reader.problem(RECEIVE_UNKNOWN, f"{path}.receive.{key(address)}", found=repr(name))
        return {
            "endpoints": self._endpoints(path, table),
            "tls": table.get("tls") or None,
            "allow_plain": table.get("allow_plain") is True,
            "receive": MappingProxyType(receive),
        }

    def _require_guarded(self, path: str, table: Mapping[str, Any]) -> None:
        """Nothing secret or trusted goes in plain text, unless that is said (BUS-14)."""
        if not table.get("tls") and table.get("allow_plain") is not True and (self._secured or table.get("alias")):
            what = "what a secured bus sends" if self._secured else "the password of its alias"
            self._reader.problem(PLAIN_UNFIT, path, what=what)

    def _endpoints(self, path: str, table: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
        written = [str(each) for each in table.get("endpoints") or ()]
        endpoints = [each for each in map(_endpoint, written) if each is not None]
        if not written or len(endpoints) < len(written):
            found = next((each for each in written if _endpoint(each) is None), "none")
            self._reader.problem(ENDPOINT_UNFIT, f"{path}.endpoints", found=repr(found))
        return tuple(endpoints)

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


def _endpoint(text: str) -> tuple[str, int] | None:
    """Host and port; None for what is none. An address of IPv6 stands in brackets."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return None
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return None
    return host, int(port)
