"""Clients that want to be the only one of their name: a JMS client's id is in use once (JMS 2.0, 6.1.2).

A client says so by the capability `sole-connection-for-container` of its open. A name is its user's own: nobody keeps
somebody else out by taking the name first, and what hangs on the name, durable subscriptions, belongs to the user too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from connector.errors import MessagingError, Reason

CAPABILITY: Final = "sole-connection-for-container"

NAME_IN_USE = Reason(
    "CF-BUS-500",
    "the client id {container} is in use by another connection of user {user} to bus {bus}",
    "Close that connection, or give this one another client id; one that was lost without a word is over after the "
    "chain's idle_timeout.",
)


def wants_to_be_alone(connection: Any) -> bool:
    """Whether the client of a library's connection has asked for it. Pure."""
    return CAPABILITY in {str(each) for each in connection.remote_desired_capabilities or ()}


@final
class SoleConnections:
    """Which names are in use, over all chains of a server. For the chains' loop only.

    Mutable state: the names that are taken, each with its bus and its user.
    """

    def __init__(self) -> None:
        self._taken: set[tuple[str, str, str]] = set()

    def take(self, bus: str, user: str, container: str) -> Callable[[], None]:
        """Take a name; answers what gives it back, once. Raises MessagingError CF-BUS-500 while it is taken."""
        name = (bus, user, container)
        if name in self._taken:
            raise MessagingError(NAME_IN_USE, container=container[:100], user=user or "nobody", bus=bus)
        self._taken.add(name)
        return lambda: self._taken.discard(name)
