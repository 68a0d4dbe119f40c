"""What goes on on a bus, from Python: failed messages, links, subscriptions (BUS-11, BUS-12, BUS-15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast, final

from connector.admin.bus_work import WorkedOff, work_off
from connector.admin.buses.answers import (
    FailureAnswer,
    LinkAnswer,
    RouteAnswer,
    ShownFailureAnswer,
    ShownLinkAnswer,
    ShownSubscriptionAnswer,
    SubscriptionAnswer,
)
from connector.admin.buses.operator import Operator

#: Told after each part of a long work how far it is.
Progress = Callable[[WorkedOff], None]


def _nobody_listens(_so_far: WorkedOff) -> None:
    pass


@final
class Exceptions:
    """`connector bus exceptions`: the messages that failed, in the bus's exception destination or in `destination`.

    What they say is shown nowhere. Safe to use from any thread; blocks for the store.
    """

    def __init__(self, operator: Operator, bus: str) -> None:
        self._operator = operator
        self._bus = bus

    def list(self, *, destination: str | None = None) -> Sequence[FailureAnswer]:
        """All of them. Raises NameNotFound CF-BUS-030."""
        found = self._operator.call("bus.exceptions.list", bus=self._bus, destination=destination)
        return cast("Sequence[FailureAnswer]", found["messages"])

    def show(self, message: str, *, destination: str | None = None) -> ShownFailureAnswer:
        """One by its id. Raises NameNotFound CF-BUS-062."""
        asked = {"bus": self._bus, "destination": destination, "message": message}
        return cast("ShownFailureAnswer", self._operator.call("bus.exceptions.show", **asked))

    def replay(
        self,
        *messages: str,
        to: str | None = None,
        destination: str | None = None,
        progress: Progress = _nobody_listens,
    ) -> WorkedOff:
        """Give messages, by their ids, back to where they failed; without any, all. Answers what became of them.

        What can't go there stays, and is among `failed`. Works part by part: what interrupts it between two parts, an
        exception of `progress` for example, leaves each message in one place or the other.

        Args:
            messages: Ids.
            to: Another destination than the one at which they failed.
            destination: Another exception destination than the bus's.
            progress: Told after each part how far it is.
        """
        return self._work_off("replay", messages, progress, destination=destination, to=to)

    def discard(
        self, *messages: str, destination: str | None = None, progress: Progress = _nobody_listens
    ) -> WorkedOff:
        """Throw messages, by their ids, away for good; without any, all. See `replay`."""
        return self._work_off("discard", messages, progress, destination=destination)

    def _work_off(self, command: str, messages: Sequence[str], progress: Progress, **more: Any) -> WorkedOff:
        so_far = WorkedOff()
        operation = f"bus.exceptions.{command}"
        for so_far in work_off(lambda part: self._operator.call(operation, bus=self._bus, **more, **part), messages):
            progress(so_far)
        return so_far


@final
class Links:
    """`connector bus links`: the links to other buses, each by the name of that. Safe to use from any thread."""

    def __init__(self, operator: Operator, bus: str) -> None:
        self._operator = operator
        self._bus = bus

    def list(self) -> Sequence[LinkAnswer]:
        """All of them. Does not block."""
        return cast("Sequence[LinkAnswer]", self._operator.call("bus.links.list", bus=self._bus)["links"])

    def show(self, link: str) -> ShownLinkAnswer:
        """One. Raises NameNotFound CF-BUS-215."""
        return cast("ShownLinkAnswer", self._operator.call("bus.links.show", bus=self._bus, link=link))

    def start(self, link: str) -> ShownLinkAnswer:
        """Have it send, or try at once where it waits after a failure. Raises NameNotFound CF-BUS-215."""
        return cast("ShownLinkAnswer", self._operator.call("bus.links.start", bus=self._bus, link=link))

    def stop(self, link: str) -> ShownLinkAnswer:
        """Have it send nothing until it, or the container, is started. Blocks for what is under way, 2 s at most.

        Raises NameNotFound CF-BUS-215.
        """
        return cast("ShownLinkAnswer", self._operator.call("bus.links.stop", bus=self._bus, link=link))

    def route(
        self,
        destination: str,
        *,
        user: str | None = None,
        topic: str | None = None,
        forward_path: Sequence[str] = (),
        reverse_path: Sequence[str] = (),
        reply_to: str | None = None,
    ) -> RouteAnswer:
        """Where a message would go, over all links that can be reached, without sending one (BUS-15).

        Args:
            destination: Where it is sent to.
            user: Whom it is from; nobody unless given.
            topic: Its topic, for a topic space; the root unless given.
            forward_path: Where it goes on to.
            reverse_path: What its reply passes.
            reply_to: Where a reply is wanted.

        Blocks for the registry and the other buses. Raises AuthenticationFailed, MessagingError CF-BUS-222.
        """
        paths = {"forward_path": list(forward_path), "reverse_path": list(reverse_path), "reply_to": reply_to}
        asked = {"bus": self._bus, "destination": destination, "user": user, "topic": topic, **paths}
        return cast("RouteAnswer", self._operator.call("bus.links.route", **asked))


@final
class Subscriptions:
    """`connector bus subscriptions`. Safe to use from any thread."""

    def __init__(self, operator: Operator, bus: str) -> None:
        self._operator = operator
        self._bus = bus

    def list(self, *, topic_space: str | None = None) -> Sequence[SubscriptionAnswer]:
        """All of them, or those of one topic space. Does not block."""
        found = self._operator.call("bus.subscriptions.list", bus=self._bus, destination=topic_space)
        return cast("Sequence[SubscriptionAnswer]", found["subscriptions"])

    def show(self, subscription: str) -> ShownSubscriptionAnswer:
        """One by its name. Raises NameNotFound CF-BUS-191."""
        found = self._operator.call("bus.subscriptions.show", bus=self._bus, subscription=subscription)
        return cast("ShownSubscriptionAnswer", found)

    def delete(self, subscription: str) -> SubscriptionAnswer:
        """Delete one with what waits on it, whoever made it; answers what it was. Blocks for the store.

        Raises NameNotFound CF-BUS-191, MessagingError CF-BUS-190 while it is in use.
        """
        done = self._operator.call("bus.subscriptions.delete", bus=self._bus, subscription=subscription)
        return cast("SubscriptionAnswer", done["deleted"])
