"""Two buses with a link: in one container, or in two that share nothing but a socket."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support_bus import FakeEndpointFactory, World, signed_on, start_world

from connector.spi import ActivationSpec, Message
from connector_bus import BusConnection
from connector_bus.engine.failure import is_fault

#: The alias of every link; the user of it is the same on both sides.
ALIASES = {"link": ("server", "server-pw")}


def hop(bus: str, *, senders: Sequence[str] = ("user:alice", "user:bob"), **link: Any) -> dict[str, Any]:
    """A foreign bus of the same container."""
    return {"roles": {"sender": list(senders)}, "link": {"transport": "in-process", "alias": "link", **link}}


def britain(**changes: Any) -> dict[str, Any]:
    """A bus from which alice may send to France."""
    return {
        "security": True,
        "roles": {"connector": ["AllAuthenticated", "Everyone"]},
        "destinations": {"replies": {}},
        "foreign_buses": {"france": hop("france", senders=["user:alice"])},
        **changes,
    }


def france(**changes: Any) -> dict[str, Any]:
    """A bus with a queue for everybody, one for nobody, and the right to send back."""
    return {
        "security": True,
        "roles": {"connector": ["AllAuthenticated", "Everyone"]},
        "destinations": {"forecasts": {}, "secrets": {"inherit_defaults": False}},
        "foreign_buses": {"britain": hop("britain")},
        **changes,
    }


def to_france(message: Message, context: Any) -> Message:
    """A mediation."""
    return message.replace(destination="forecasts@france")


class Country:
    """One bus of a started adapter."""

    def __init__(self, world: World, bus: str) -> None:
        self.world = world
        self.bus = bus

    @property
    def _running(self) -> Any:
        return self.world.adapter._buses[self.bus]

    def connect(self, user: str | None) -> BusConnection:
        return self.world.connect(user, bus=self.bus)

    def send(self, user: str | None, destination: str, body: Any, **options: Any) -> None:
        with self.connect(user) as connection:
            connection.send(destination, body, **options)
        self.pump()

    def pump(self) -> None:
        self.world.works.pump()

    def advance(self, seconds: float) -> None:
        self.world.advance(seconds)

    def peek(self, destination: str) -> list[Message]:
        engine = self._running.engine
        return list(engine.peek(engine.destinations.get(destination)))

    def exceptions(self) -> list[Message]:
        return self.peek(f"_SYSTEM.Exception.Destination.{self.bus}")

    def command(self, name: str, **arguments: Any) -> Any:
        return self.world.adapter.run_command(name, {"bus": self.bus, **arguments})

    def link(self, name: str) -> Mapping[str, Any]:
        shown: Mapping[str, Any] = self.command("link", link=name)
        return shown

    def activate(self, destination: str, handler: Any, *, acting: str) -> None:
        subject = self.world.identity.assert_user(acting)
        factory = FakeEndpointFactory(handler, subject=signed_on("server"), acting=subject)
        spec = ActivationSpec("jms/requests", {"bus": self.bus, "destination": destination})
        self.world.adapter.activate_endpoint(factory, spec)

    def reconfigure(
        self, *, destinations: Mapping[str, Any] | None = None, link: Mapping[str, Any] | None = None
    ) -> None:
        """Change roles of destinations, or the first link, while it runs."""
        section = copy.deepcopy(dict(self.world.adapter._section))
        bus = section[self.bus]
        for name, changes in (destinations or {}).items():
            bus["destinations"][name].update(changes)
        for way in bus["foreign_buses"].values():
            way["link"].update(link or {})
        change = self.world.adapter.sections_changed({"buses": section})
        assert change is not None
        change.apply()


class Abroad(Country):
    """A bus in a container of its own, which can be started again."""

    def __init__(self, folder: Path, bus: str, settings: Mapping[str, Any], alias: tuple[str, str]) -> None:
        self.folder, self.settings, self.alias = folder, settings, alias
        super().__init__(self._start(bus), bus)

    def _start(self, bus: str) -> World:
        self.folder.mkdir(exist_ok=True)
        return start_world(self.folder, {bus: self.settings}, aliases={"link": self.alias}, container=f"of-{bus}")

    def restart(self) -> None:
        self.world.stop()
        self.world = self._start(self.bus)

    def request(self, user: str, destination: str, body: Any, *, until: Country) -> Message:
        """A request, with both sides worked off by hand; what `BusConnection.request` does otherwise."""
        with self.connect(user) as connection:
            physical = connection._physical()
            reply_to = physical.new_reply_queue()
            connection.send(destination, body, reply_to=reply_to)
            for _ in range(3):
                self.pump()
                until.pump()
            reply = physical.bus.engine.receive(physical.subject, reply_to, 0, physical)
            assert reply is not None, "no reply"
            if is_fault(reply):
                raise_fault(reply, destination, self.bus)
            return reply


def raise_fault(reply: Message, destination: str, bus: str) -> None:
    from connector.errors import RequestFailed
    from connector_bus.adapter.connection import REQUEST_FAILED

    raise RequestFailed(
        REQUEST_FAILED, destination=destination, bus=bus, fault_code=reply.body["code"], fault_text=reply.body["text"]
    )


@contextmanager
def two_containers(
    folder: Path,
    *,
    here: Mapping[str, Any] | None = None,
    there: Mapping[str, Any] | None = None,
    here_alias: tuple[str, str] = ALIASES["link"],
    start_there: bool = True,
) -> Iterator[tuple[Abroad, Abroad]]:
    """Britain and France in containers of their own. `here` and `there` change links, `destinations` beside them, and
    `security` of the bus.
    """
    with tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as sockets:  # paths of sockets have to be short
        first = _settings(britain(), here or {}, "france", Path(sockets), "britain")
        second = _settings(france(), there or {}, "britain", Path(sockets), "france")
        started: list[Abroad] = []
        try:
            if start_there:
                started.append(Abroad(folder / "france", "france", second, ALIASES["link"]))
            started.append(Abroad(folder / "britain", "britain", first, here_alias))
            yield started[-1], started[0]
        finally:
            for each in reversed(started):
                each.world.stop()


def at_a_socket(bus: str, sockets: Path) -> dict[str, Any]:
    """The settings of Britain or France, linked over sockets in a folder."""
    if bus == "britain":
        return _settings(britain(), {}, "france", sockets, bus)
    return _settings(france(), {}, "britain", sockets, bus)


def _settings(bus: dict[str, Any], changes: Mapping[str, Any], other: str, sockets: Path, name: str) -> dict[str, Any]:
    link = {key: value for key, value in changes.items() if key not in ("destinations", "security")}
    bus["destinations"] = {**bus["destinations"], **changes.get("destinations", {})}
    bus["security"] = changes.get("security", True)
    bus["link_socket"] = str(sockets / f"{name}.sock")
    bus["foreign_buses"][other]["link"] |= {"transport": "local", "address": str(sockets / f"{other}.sock"), **link}
    return bus
