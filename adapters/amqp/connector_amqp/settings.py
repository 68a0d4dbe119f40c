"""How a broker is reached, as the properties of a resource say it: frozen values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector.errors import ConfigError, Reason

NO_ENDPOINTS = Reason(
    "CF-AMQP-002",
    "resource {resource} names no endpoint of its broker.",
    'Give provider_endpoints, for example ["broker.example:5671"].',
)
ENDPOINT_UNFIT = Reason(
    "CF-AMQP-003",
    "resource {resource} has the endpoint {endpoint!r}, which is not of the form HOST:PORT or HOST:PORT:CHAIN.",
    'Write for example "broker.example:5671", or "[::1]:5671" for an address of IPv6.',
)
CERTIFICATE_WITHOUT_TLS = Reason(
    "CF-AMQP-004",
    "resource {resource} signs on by certificate, but names no TLS configuration.",
    "Name one with tls = NAME, whose key_store holds the key.",
)
USER_ID_NOT_TRUSTED = Reason(
    "CF-AMQP-005",
    "resource {resource} takes the caller from user-id, which any sender can write.",
    "Set trust_user_id = true where the broker checks it (RabbitMQ does), or choose another identity.",
)
IDENTITY_UNFIT = Reason(
    "CF-AMQP-006",
    "resource {resource} has the identity {found!r}.",
    'Write "engine", "user_id", "none" or "annotation NAME".',
)

TWO_HOSTS = Reason(
    "CF-AMQP-008",
    "resource {resource} means the bus {bus} and the virtual host {host}: both are one thing.",
    "Leave one of them out.",
)

#: The caller is whom an engine of ours names; of other brokers nobody.
ENGINE: Final = "engine"
USER_ID: Final = "user_id"
NO_IDENTITY: Final = "none"
_ANNOTATION: Final = "annotation "


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a broker listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Broker:
    """One broker and how to talk to it.

    Attributes:
        resource: The resource's global name, for errors.
        endpoints: Where it listens, in the order of trying; at least one.
        virtual_host: What the connection asks for: a bus by its name, or a broker's virtual host; None for its default.
        tls: The TLS configuration; None for plain text.
        certificate_sign_on: Whether the key of that configuration says who we are where no user does.
        allow_plain_passwords: Whether a password may be sent in plain text.
        send_user_id: Whether messages carry the user signed on as user-id.
        connect_attempts: How often the list of endpoints is gone through before connecting fails.
        connect_timeout: Seconds for connecting and signing on at one endpoint.
        operation_timeout: Seconds for the broker's answer to one operation.
        idle_timeout: Seconds after which a silent broker is taken for dead.
        transactions: Whether connections take part in units of work.
        target_chain: The chain over which an engine of ours is wanted; None for any.
    """

    resource: str
    endpoints: tuple[Endpoint, ...]
    virtual_host: str | None = None
    tls: str | None = None
    certificate_sign_on: bool = False
    allow_plain_passwords: bool = False
    send_user_id: bool = False
    connect_attempts: int = 1
    connect_timeout: float = 10.0
    operation_timeout: float = 30.0
    idle_timeout: float = 60.0
    target_chain: str | None = None
    transactions: bool = False

    def __str__(self) -> str:
        return ", ".join(map(str, self.endpoints))


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an activation consumes.

    Attributes:
        broker: Where.
        destination: The source's address.
        selector: Which messages, or None for all.
        identity: Where the caller's name stands: `engine`, `user_id`, `none`, or `annotation`.
        annotation: The annotation's name, with `annotation`; else empty.
        realm: The realm that names in a message are of; None for the application's.
        transactions: Whether a transacted handler's message is settled within its unit of work; None: where the broker
            has transactions.
    """

    broker: Broker
    destination: str
    selector: str | None
    identity: str
    annotation: str
    realm: str | None
    transactions: bool | None = None


def read_broker(resource: str, properties: Mapping[str, Any]) -> Broker:
    """The broker of one resource, from checked properties. Raises ConfigError CF-AMQP-002 to -004, -008."""
    names = properties.get("provider_endpoints") or ()
    endpoints = tuple(_endpoint(resource, str(name)) for name in names)
    if not endpoints:
        raise ConfigError(NO_ENDPOINTS, resource=resource)
    given = {
        name: properties[name]
        for name in (
            "virtual_host",
            "tls",
            "certificate_sign_on",
            "allow_plain_passwords",
            "send_user_id",
            "connect_attempts",
            "connect_timeout",
            "operation_timeout",
            "idle_timeout",
            "target_chain",
            "transactions",
        )
        if properties.get(name) is not None
    }
    bus = properties.get("bus")
    if bus is not None and given.setdefault("virtual_host", bus) != bus:
        raise ConfigError(TWO_HOSTS, resource=resource, bus=bus, host=given["virtual_host"])
    broker = Broker(resource, endpoints, **given)
    if broker.certificate_sign_on and broker.tls is None:
        raise ConfigError(CERTIFICATE_WITHOUT_TLS, resource=resource)
    return broker


def read_subscription(resource: str, properties: Mapping[str, Any]) -> Subscription:
    """What an activation consumes, from checked properties. Raises ConfigError CF-AMQP-002 to -006."""
    broker = read_broker(resource, properties)
    identity, annotation = str(properties.get("identity") or ENGINE), ""
    if identity.startswith(_ANNOTATION):
        identity, annotation = _ANNOTATION.strip(), identity.removeprefix(_ANNOTATION).strip()
    known = identity in (ENGINE, USER_ID, NO_IDENTITY) or bool(annotation)
    if not known:
        raise ConfigError(IDENTITY_UNFIT, resource=resource, found=str(properties.get("identity")))
    if identity == USER_ID and not properties.get("trust_user_id"):
        raise ConfigError(USER_ID_NOT_TRUSTED, resource=resource)
    return Subscription(
        broker,
        str(properties["destination"]),
        properties.get("selector") or None,
        identity,
        annotation,
        properties.get("identity_realm") or None,
        properties.get("transactions"),
    )


def _endpoint(resource: str, text: str) -> Endpoint:
    host, separator, port = text.rpartition(":")
    if separator and not port[:1].isdigit():  # a chain's name, which the port says already
        host, separator, port = host.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ConfigError(ENDPOINT_UNFIT, resource=resource, endpoint=text)
    return Endpoint(host, int(port))
