"""Where a message goes that is for another bus: which address a name means, and which link it leaves by (BUS-9).

Pure: nothing here stores or sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import final

from connector.errors import NameNotFound, Reason
from connector.spi import Message
from connector_bus.policy.definition import ForeignAddress
from connector_bus.settings import ForeignBusSettings, transmission_queue

NO_WAY = Reason(
    "CF-BUS-200",
    "there is no link from bus {bus} to bus {foreign_bus}",
    'Give one in [buses."{bus}".foreign_buses."{foreign_bus}".link], or `via`, the bus that passes messages on to it.',
)
#: Between a destination and the bus that it is on.
AT = "@"


@final
@dataclass(frozen=True, slots=True)
class WaysOut:
    """How other buses are reached from one bus.

    Attributes:
        bus: The bus.
        ways: The way to each other bus that it knows.
    """

    bus: str
    ways: Mapping[str, ForeignBusSettings] = field(default_factory=lambda: MappingProxyType({}))

    def address(self, name: str) -> ForeignAddress | None:
        """What `NAME@BUS` means, where the bus is known; None for any other name."""
        destination, at, bus = name.rpartition(AT)
        return ForeignAddress(bus, destination) if at and destination and bus in self.ways else None

    def queue_to(self, foreign_bus: str) -> str:
        """The transmission queue that messages to a bus wait on. Raises NameNotFound CF-BUS-200."""
        neighbour = self.neighbour(foreign_bus)
        if neighbour is None:
            raise NameNotFound(NO_WAY, bus=self.bus, foreign_bus=foreign_bus)
        return transmission_queue(neighbour)

    def neighbour(self, foreign_bus: str) -> str | None:
        """The bus at the other end of the link that messages to a bus leave by; None where there is none."""
        way = self.ways.get(foreign_bus)
        if way is None or way.link is not None:
            return None if way is None else foreign_bus
        next_way = None if way.via is None else self.ways.get(way.via)
        return None if next_way is None or next_way.link is None else way.via

    def mapped(self, topic_space: str) -> Iterator[tuple[str, str]]:
        """The buses, and their topic spaces, that publications of a topic space go to as well."""
        for name, way in self.ways.items():
            if way.link is not None and topic_space in way.link.topic_spaces:
                yield name, way.link.topic_spaces[topic_space]

    def leaving(self, message: Message, is_local: Callable[[str], bool]) -> Message:
        """A message whose addresses mean the same anywhere: those of this bus carry its name."""

        def qualified(name: str) -> str:
            return f"{name}{AT}{self.bus}" if is_local(name) or AT not in name else name

        return message.replace(
            reply_to=None if message.reply_to is None else qualified(message.reply_to),
            reverse_path=tuple(qualified(each) for each in message.reverse_path),
        )

    def arriving(self, message: Message) -> Message:
        """A message whose addresses are as this bus writes them: its own without its name."""
        own = f"{AT}{self.bus}"
        return message.replace(
            reply_to=None if message.reply_to is None else message.reply_to.removesuffix(own),
            forward_path=tuple(each.removesuffix(own) for each in message.forward_path),
            reverse_path=tuple(each.removesuffix(own) for each in message.reverse_path),
        )
