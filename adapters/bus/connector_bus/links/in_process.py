"""A link to a bus of the same container: calls, and nothing in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import final

from connector.errors import ConnectionFailed, Reason
from connector_bus.links.contract import LinkEntrance, LinkSession
from connector_bus.links.transfer import Login

BUS_AWAY = Reason(
    "CF-BUS-201",
    "bus {to} can't be reached from bus {bus}: {cause}",
    "Messages wait on the link's queue, and are sent as soon as it is there.",
)


@final
class InProcessTransport:
    """See `connector_bus.links.contract.LinkTransport`.

    Args:
        find: The entrance of a bus of this container by its name; None where there is no such bus.
    """

    def __init__(self, find: Callable[[str], LinkEntrance | None]) -> None:
        self._find = find

    def open(self, login: Login) -> LinkSession:
        """See the contract."""
        entrance = self._find(login.to)
        if entrance is None:
            cause = "this container has no such bus"
            raise ConnectionFailed(BUS_AWAY, to=login.to, bus=login.bus, cause=cause)
        return entrance.open(replace(login, is_within=True))
