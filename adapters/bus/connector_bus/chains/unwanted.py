"""What a receiving link has said it can't do anything with: not for that link again, and for every other one as before.

AMQP's outcome `modified` with `undeliverable-here` (3.4.4). The link goes on waiting with a selector that leaves those
messages out; they are told by id and time of acceptance, which a message keeps however often it comes and goes.
"""

from __future__ import annotations

import itertools
from typing import Final, final

from connector.spi import Message
from connector_bus.selector.selector import Selector

#: As many are remembered for one link; then the first ones may come to it again.
REMEMBERED: Final = 1000
_numbers = itertools.count(1)


@final
class Unwanted:
    """Those of one link. Not safe for several threads; its selectors are.

    Args:
        base: Which messages the link wants at all; None for any.

    Mutable state: `_keys`, the oldest first.
    """

    def __init__(self, base: Selector | None) -> None:
        self._base = base
        self._keys: dict[tuple[str | None, float | None], None] = {}

    def without(self, header: Message) -> Selector:
        """What the link wants from now on. Each answer is a selector of its own: queues remember what matches which."""
        self._keys[_key(header)] = None
        if len(self._keys) > REMEMBERED:
            del self._keys[next(iter(self._keys))]
        keys, base = frozenset(self._keys), self._base

        def wants(message: Message) -> bool:
            return _key(message) not in keys and (base is None or base.matches(message))

        text = f"{'' if base is None else base.text} (without {len(keys)}, {next(_numbers)})"
        return Selector(text, wants, frozenset() if base is None else base.identifiers)


def _key(header: Message) -> tuple[str | None, float | None]:
    return header.message_id, header.timestamp
