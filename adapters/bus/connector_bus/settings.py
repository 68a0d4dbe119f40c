"""The settings of a bus: what `[buses]` says, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from connector_bus.chains.bootstrap import Bootstrap
from connector_bus.policy.definition import (
    NEW_BUS_CONNECTORS,
    NEW_BUS_DEFAULTS,
    AliasTarget,
    Assignments,
    ForeignAddress,
    ResourceGrants,
    TopicTree,
)
from connector_bus.policy.holders import Holder
from connector_bus.policy.roles import ResourceType
from connector_bus.reliability import Reliability
from connector_bus.store.postgresql_place import PostgresqlPlace

#: What the names of temporary reply queues begin with; also the name of their resource in the policy (BUS-7).
REPLY_PREFIX = "_TEMP.reply"
#: What the names of all temporary destinations begin with; no other destination has such a name.
TEMPORARY_PREFIX: Final = "_TEMP."
#: What the names of the queues of subscriptions begin with, and of those that are never stored.
SUBSCRIPTION_PREFIX: Final = "_SUBSCRIPTION."
MEMORY_SUBSCRIPTION: Final = f"{TEMPORARY_PREFIX}subscription."

#: Bytes of body, unless a destination says otherwise.
MAX_MESSAGE_SIZE: Final = 100 * 1024 * 1024
#: Seconds that a send waits for a place, unless a destination says otherwise.
SEND_TIMEOUT: Final = 10.0
#: In the place of an exception destination: messages that fail stay where they are, and are tried again after a pause.
NO_EXCEPTION_DESTINATION: Final = "none"


@dataclass(frozen=True, slots=True)
class MediationSettings:
    """One mediation of a destination.

    Attributes:
        handler: `module:function`.
        selector: Which messages it sees; None for all.
        run_as: The user of the registry whom its own messages are from; None for the bus's setting.
        properties: What the deployer tells the handler.
    """

    handler: str
    selector: str | None = None
    run_as: str | None = None
    properties: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class PortSettings:
    """The HTTP service behind a port.

    Attributes:
        url: Where requests go.
        method: How.
        headers: Headers of the request: the property (or `message_id`, `correlation_id`) that each is taken from.
        timeout: Seconds for each step of an exchange: connecting, sending, and each part of the answer.
        tls: The TLS configuration, for `https`; None for the system's trusted authorities.
        alias: The authentication alias for basic authentication; None for none.
        identity_header: The header that tells whom the message is from; None to tell nobody.
        concurrency: How many requests are under way at once.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    timeout: float = 10.0
    tls: str | None = None
    alias: str | None = None
    identity_header: str | None = None
    concurrency: int = 1


@dataclass(frozen=True, slots=True)
class DestinationSettings:
    """One destination.

    Attributes:
        name: Its name.
        kind: Its type.
        inherits: Whether the bus's default roles are added to its own.
        roles: Its own holders by role.
        mediations: In order.
        max_redeliveries: How often a message is given to a failing mediation again.
        alias: What an alias stands for; None for all else.
        foreign: What a foreign destination stands for; None for all else.
        topics: The topics of a topic space that have assignments, and whether topics are checked.
        reliability: What is done for messages whose senders don't say.
        max_depth: How many messages it holds at most; None without limit.
        send_timeout: Seconds that a send waits for a place.
        drops_when_full: Whether it does without a message that it has no place for, whatever its reliability: so a
            subscription that isn't durable does. Not of the configuration.
        max_message_size: Bytes of body that a message has at most.
        exception_destination: Where messages go that fail here; None for the bus's, "none" to keep them here.
        port: The service behind a port; None for all else.
    """

    name: str
    inherits: bool = True
    roles: Assignments = field(default_factory=lambda: MappingProxyType({}))
    mediations: tuple[MediationSettings, ...] = ()
    max_redeliveries: int = 2
    kind: ResourceType = ResourceType.QUEUE
    alias: AliasTarget | None = None
    foreign: ForeignAddress | None = None
    topics: TopicTree = field(default_factory=TopicTree)
    reliability: Reliability = Reliability.ASSURED
    max_depth: int | None = None
    send_timeout: float = SEND_TIMEOUT
    drops_when_full: bool = False
    max_message_size: int = MAX_MESSAGE_SIZE
    exception_destination: str | None = None
    port: PortSettings | None = None

    @property
    def owning_bus(self) -> str | None:
        """The other bus that it belongs to in truth; None for what is of this one."""
        if self.foreign is not None:
            return self.foreign.bus
        return None if self.alias is None else self.alias.bus


#: What the names of transmission queues begin with.
LINK_PREFIX: Final = "_SYSTEM.Link."


class LinkTransport(StrEnum):
    """How a link reaches the other bus."""

    IN_PROCESS = "in-process"
    LOCAL = "local"
    CHAIN = "chain"
    AMQP = "amqp"


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """A link to another bus.

    Attributes:
        transport: How the other bus is reached.
        address: The socket that it listens on, for the local transport.
        alias: The authentication alias that this engine signs on with, and whose user the other one has to present;
            None: neither side is authenticated, and no identity that comes over it is believed.
        certificate_user: In place of an alias: whom the certificate of the engine at the other end stands for; this end
            signs on by its own.
        outbound_user: Takes the place of the identity in all messages that leave; None to keep them.
        inbound_user: Takes the place of the identity in all messages that arrive; None to keep them.
        exception_destination: Where messages go that can't be delivered on arrival and whose destination doesn't say;
            None for the bus's, "none" to hold the link until they can be.
        topic_spaces: Topic spaces whose publications go over it, to the topic space on the other bus.
        enabled: Whether it is started with the bus.
        endpoints: Where the other bus is reached over the network, as host and port; tried in order.
        chain: The chain of the other bus that the link goes over.
        tls: The TLS configuration that the link is made with; None for plain text.
        receive: What is received from a broker: its addresses, each with the destination of this bus.
        allow_plain: Whether it may go, and come, in plain text although something secret or trusted goes over it.
    """

    transport: LinkTransport
    address: str | None = None
    alias: str | None = None
    certificate_user: str | None = None
    outbound_user: str | None = None
    inbound_user: str | None = None
    exception_destination: str | None = None
    topic_spaces: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    enabled: bool = True
    endpoints: tuple[tuple[str, int], ...] = ()
    chain: str = ""
    tls: str | None = None
    allow_plain: bool = False
    receive: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class ForeignBusSettings:
    """The way to another bus.

    Attributes:
        link: The link to it; None where it is reached by another bus, or not at all.
        via: The bus that passes messages on to it; None where it isn't needed.
    """

    link: LinkSettings | None = None
    via: str | None = None


def transmission_queue(bus: str) -> str:
    """The name of the queue of a link."""
    return f"{LINK_PREFIX}{bus}"


@dataclass(frozen=True, slots=True)
class BusSettings:
    """One bus.

    Attributes:
        name: Its name.
        security: Whether roles are checked; has no effect without administrative security.
        connectors: Who may connect.
        defaults: The default resource's holders by role.
        identity_assertion: Signed-on users who may assert other callers; each perhaps with a unique name.
        exception_destination: Where undeliverable messages go.
        mediation_user: Whom messages are from that mediations without `run_as` create; None for nobody.
        permitted_chains: `all`, `tls-only`, or the names of the chains that clients may come over.
        destinations: By name; the exception destination is among them.
        kept_roles: Assignments that don't go with their destination: for one that is yet to come, or to come again.
        foreign_buses: The sender role on other buses, by their names.
        temporary_prefixes: Prefixes of temporary destinations.
        store: Where its messages rest; None for a file in the state folder.
        ways: How other buses are reached, by their names.
        inter_engine_alias: The authentication alias that engines of this bus sign on to each other with.
        link_socket: Where it listens for links of other containers on this machine; None: nowhere.
        bootstrap: How clients find its engines, and whether one runs here.
    """

    name: str
    security: bool = True
    connectors: frozenset[Holder] = NEW_BUS_CONNECTORS
    defaults: Assignments = field(default_factory=lambda: NEW_BUS_DEFAULTS)
    identity_assertion: frozenset[Holder] = frozenset()
    exception_destination: str = ""
    mediation_user: str | None = None
    permitted_chains: str | tuple[str, ...] = "tls-only"
    destinations: Mapping[str, DestinationSettings] = field(default_factory=lambda: MappingProxyType({}))
    kept_roles: Mapping[str, ResourceGrants] = field(default_factory=lambda: MappingProxyType({}))
    foreign_buses: Mapping[str, Assignments] = field(default_factory=lambda: MappingProxyType({}))
    temporary_prefixes: Mapping[str, ResourceGrants] = field(default_factory=lambda: MappingProxyType({}))
    store: PostgresqlPlace | None = None
    ways: Mapping[str, ForeignBusSettings] = field(default_factory=lambda: MappingProxyType({}))
    link_socket: str | None = None
    inter_engine_alias: str | None = None
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
