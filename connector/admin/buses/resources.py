"""What a bus has, from Python: destinations, topics, foreign buses, temporary prefixes, mediations (BUS-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, final

from connector.admin.bus_shape import Kind
from connector.admin.buses.answers import EditAnswer, Settings
from connector.admin.buses.operator import Operator


@final
class Resources:
    """`connector bus destinations`, `foreign` and `temporary`: what a bus has of one kind, as it is configured.

    Safe to use from any thread; blocks for the files. What changes the configuration raises ConfigError where the
    result would be wrong.
    """

    def __init__(self, operator: Operator, bus: str, kind: Kind) -> None:
        self._operator = operator
        self._place = {"bus": bus, "kind": str(kind)}

    def list(self) -> Sequence[Settings]:
        """All of them by name, each its settings with `name` beside them. Raises NameNotFound CF-ADM-083."""
        return cast("Sequence[Settings]", self._operator.call("bus.resources.list", **self._place))

    def show(self, name: str) -> Settings:
        """The settings of one. Raises NameNotFound CF-ADM-082 or -083."""
        return cast("Settings", self._operator.call("bus.resources.show", name=name, **self._place))

    def add(
        self,
        name: str,
        settings: Mapping[str, Any] | None = None,
        /,
        *,
        type: str | None = None,  # noqa: A002 - its name in the configuration
    ) -> EditAnswer:
        """Add one; harmless where it is there as it is wanted.

        Args:
            name: Its name.
            settings: By key, a key below another one with a dot: `{"max_redeliveries": 3, "roles.sender": [...]}`.
            type: For a destination its type; `queue` unless given.

        Raises ConfigError CF-ADM-087 where there is one of another type, and what the bus has against it.
        """
        more = {"settings": dict(settings or {}), "type": type}
        return cast("EditAnswer", self._operator.call("bus.resources.add", name=name, **more, **self._place))

    def remove(self, name: str) -> EditAnswer:
        """Take one out with its roles; its messages stay in the store. Raises NameNotFound CF-ADM-082 or -083."""
        return cast("EditAnswer", self._operator.call("bus.resources.remove", name=name, **self._place))


@final
class Topics:
    """`connector bus topics`. Safe to use from any thread."""

    def __init__(self, operator: Operator, bus: str) -> None:
        self._operator = operator
        self._bus = bus

    def list(self, space: str) -> Sequence[Settings]:
        """The topics of a topic space that something is said of: `topic`, and what. Raises NameNotFound CF-ADM-082."""
        return cast("Sequence[Settings]", self._operator.call("bus.topics.list", bus=self._bus, name=space))


@final
class Mediations:
    """`connector bus mediations`: those of a destination. Safe to use from any thread; blocks for the files."""

    def __init__(self, operator: Operator, bus: str) -> None:
        self._operator = operator
        self._bus = bus

    def list(self, destination: str) -> Sequence[Settings]:
        """All of them in their order, each with its `handler`. Raises NameNotFound CF-ADM-082 or -083."""
        return cast("Sequence[Settings]", self._operator.call("bus.mediations.list", bus=self._bus, name=destination))

    def add(self, destination: str, handler: str, properties: Mapping[str, Any] | None = None) -> EditAnswer:
        """Put one behind those that are there; harmless where it is among them.

        Args:
            destination: Where.
            handler: `module:function`.
            properties: What it is told.

        Raises NameNotFound CF-ADM-082 or -083, ConfigError for a handler that can't be loaded.
        """
        place = {"bus": self._bus, "name": destination, "handler": handler}
        return cast("EditAnswer", self._operator.call("bus.mediations.add", settings=dict(properties or {}), **place))

    def remove(self, destination: str, handler: str) -> EditAnswer:
        """Take one out; harmless where it is not among them. Raises NameNotFound CF-ADM-082 or -083."""
        place = {"bus": self._bus, "name": destination, "handler": handler}
        return cast("EditAnswer", self._operator.call("bus.mediations.remove", **place))
