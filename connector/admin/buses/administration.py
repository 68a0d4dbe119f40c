"""One bus, administered from Python: every command of `connector bus` as a method (BUS-12).

It stands in the room `admin`, above the container, since it is the same operations that the commands and the admin
endpoint carry out: a method of `Container` would have to reach up to them, or be a second implementation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast, final

from connector.admin.bus_shape import Kind
from connector.admin.buses.answers import BusAnswer, DiffAnswer, EditAnswer, ExplanationAnswer, ShownBusAnswer
from connector.admin.buses.operator import Operator
from connector.admin.buses.resources import Mediations, Resources, Topics
from connector.admin.buses.roles import Chains, Inheritance, Roles
from connector.admin.buses.running import Exceptions, Links, Subscriptions

if TYPE_CHECKING:
    from connector.container.container import Container


@final
class BusAdministration:
    """The administration of one bus of a container that runs in this process. Safe to use from any thread.

    Each method does what the command of its name does, by the same operation: edits change the configuration's files,
    checked as a whole, and put in force what can be at once. Each call has a line in the audit log, with the caller of
    the running scope (`container.login`), or else the user of the process. The bus need not be there yet: see `add`.

    Args:
        container: The container.
        bus: The name of the bus.
        ask_roles: Whether the caller needs the admin role that the operation asks for, as at the admin endpoint: for
            programs that act for others. Else whoever has the container may everything.

    Attributes:
        roles: Who may do what.
        inherit: Whether destinations and topics inherit roles.
        chains: The transport chains that are permitted.
        destinations: Its destinations.
        foreign: The other buses that it knows.
        temporary: Its prefixes of temporary destinations.
        topics: The topics that something is said of.
        mediations: The mediations of its destinations.
        exceptions: The messages that failed.
        links: The links to other buses.
        subscriptions: The subscriptions of its topic spaces.
    """

    def __init__(self, container: Container, bus: str, *, ask_roles: bool = False) -> None:
        operator = Operator(container, ask_roles=ask_roles)
        self._operator = operator
        self._bus = bus
        self.roles = Roles(operator, bus)
        self.inherit = Inheritance(operator, bus)
        self.chains = Chains(operator, bus)
        self.destinations = Resources(operator, bus, Kind.DESTINATION)
        self.foreign = Resources(operator, bus, Kind.FOREIGN)
        self.temporary = Resources(operator, bus, Kind.TEMPORARY)
        self.topics = Topics(operator, bus)
        self.mediations = Mediations(operator, bus)
        self.exceptions = Exceptions(operator, bus)
        self.links = Links(operator, bus)
        self.subscriptions = Subscriptions(operator, bus)

    @property
    def name(self) -> str:
        """The name of the bus."""
        return self._bus

    def list(self) -> Sequence[BusAnswer]:
        """All buses that are configured, this one among them."""
        return cast("Sequence[BusAnswer]", self._operator.call("bus.list"))

    def add(self, settings: Mapping[str, Any] | None = None) -> EditAnswer:
        """Add the bus, with settings by key; harmless where it is there as it is wanted. Blocks for the files.

        It is secured unless they say otherwise, and at first nobody but the container connects. Raises ConfigError.
        """
        return cast("EditAnswer", self._operator.call("bus.add", bus=self._bus, settings=dict(settings or {})))

    def remove(self) -> EditAnswer:
        """Take the bus out of the configuration, with all roles and destinations; its messages stay in the store.

        Blocks for the files. Raises NameNotFound CF-ADM-083, ConfigError while a resource or a link names it.
        """
        return cast("EditAnswer", self._operator.call("bus.remove", bus=self._bus))

    def show(self) -> ShownBusAnswer:
        """What is on it, with depths and counts. Raises NameNotFound CF-BUS-016."""
        return cast("ShownBusAnswer", self._operator.call("bus.show", bus=self._bus)["buses"][0])

    def explain(
        self,
        role: str,
        *,
        user: str | None = None,
        destination: str | None = None,
        topic: str | None = None,
        foreign_bus: str | None = None,
        temporary_prefix: str | None = None,
    ) -> ExplanationAnswer:
        """Why somebody may or may not do something: the assignment that decides, and where it comes from (BUS-16).

        Args:
            role: connector, sender, receiver, browser or creator.
            user: Whose rights; those of the unauthenticated one unless given.
            destination: The destination that it is about; the bus itself unless given.
            topic: The topic, where that is a topic space.
            foreign_bus: The other bus that it is about, or with `destination` one of its destinations.
            temporary_prefix: The prefix of temporary destinations that it is about.

        Of sending to what belongs to another bus the route is told as well. Blocks for the registry and those buses.
        Raises MessagingError CF-BUS-061, NameNotFound CF-BUS-030, AuthenticationFailed.
        """
        place = {"destination": destination, "topic": topic, "foreign_bus": foreign_bus}
        asked = {"bus": self._bus, "role": role, "user": user, "temporary_prefix": temporary_prefix, **place}
        return cast("ExplanationAnswer", self._operator.call("bus.explain", **asked))

    def diff(
        self,
        *,
        grant: Sequence[str] = (),
        revoke: Sequence[str] = (),
        role: str | None = None,
        default: bool = False,
        destination: str | None = None,
        topic: str | None = None,
        foreign_bus: str | None = None,
        temporary_prefix: str | None = None,
        proposed: str | None = None,
        users: Sequence[str] = (),
    ) -> DiffAnswer:
        """Who would gain and who would lose what by a change; nothing is changed (BUS-16).

        Args:
            grant: The holders who would be given the role.
            revoke: Those whom it would be taken from.
            role: Which role.
            default: Whether it is about the default resource; else where, as `explain` has it.
            destination: See `explain`, as for the next three.
            topic: Likewise.
            foreign_bus: Likewise.
            temporary_prefix: Likewise.
            proposed: The text of a configuration with the whole table of the bus, instead of single changes or before
                them.
            users: Users to look at besides those who are named in the policy.

        Blocks for the registry. Raises ConfigError CF-ADM-150, MessagingError CF-BUS-061, -113 or -114.
        """
        place = {"destination": destination, "topic": topic, "foreign_bus": foreign_bus, "default": default}
        changes = {"grant": list(grant), "revoke": list(revoke), "role": role, "temporary_prefix": temporary_prefix}
        asked = {"bus": self._bus, "proposed": proposed, "users": list(users), **place, **changes}
        return cast("DiffAnswer", self._operator.call("bus.diff", **asked))

    def __repr__(self) -> str:
        return f"<BusAdministration of {self._bus}>"
