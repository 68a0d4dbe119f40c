"""Who gets a publication: the subscriptions of one topic space by topic, each checked for its subscriber (BUS-6).

Theory of operation
-------------------
The subscriptions are in a tree of their patterns, so that a topic finds those that match it without asking the others.
Whether the subscriber of each may have the topic is decided when the topic is first published to, and kept for a
second; each change of the policy, of the registry that is told, and of the subscriptions throws it away. So a
publication costs a look-up and a copy for each who gets it, however many subscribe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, final

from connector.spi import Clock
from connector_bus.engine.subscription import Subscription
from connector_bus.engine.topic_index import TopicIndex
from connector_bus.engine.topic_pattern import levels_of

#: Seconds that it is remembered who gets a topic: a registry may change without telling.
REMEMBERED_FOR: Final = 1.0
#: How many topics of a space are remembered; then they are forgotten together.
REMEMBERED: Final = 10_000

#: Which of these subscriptions may have a message of a topic.
Admit = Callable[[Iterable[Subscription], str], Iterable[Subscription]]


@final
class Audience:
    """The subscriptions of one topic space. Safe to use from any thread.

    Args:
        clock: The time.
        admit: The check of subscribers; may block for the registry, and raise where it can't be asked.

    Mutable state: `_index`, changed under `_lock`; `_known`, replaced with each change: what is found meanwhile goes
    into the one that was thrown away.
    """

    def __init__(self, clock: Clock, admit: Admit) -> None:
        self._clock = clock
        self._admit = admit
        self._lock = threading.Lock()
        self._index: TopicIndex[Subscription] = TopicIndex()
        self._known: dict[str, tuple[float, tuple[Subscription, ...]]] = {}

    def add(self, subscription: Subscription) -> None:
        """A subscription has come. Does not block."""
        with self._lock:
            self._index.add(subscription.pattern, subscription)
            self._known = {}

    def remove(self, subscription: Subscription) -> None:
        """One has gone. Does not block."""
        with self._lock:
            self._index.remove(subscription.pattern, subscription)
            self._known = {}

    def forget(self) -> None:
        """Rights may have changed. Does not block."""
        with self._lock:
            self._known = {}

    def knows(self, topic: str) -> bool:
        """Whether `of` would ask nobody now. Does not block."""
        found = self._known.get(topic)
        if found is not None and 0 <= self._clock.monotonic() - found[0] < REMEMBERED_FOR:
            return True
        with self._lock:
            return not self._index.match(levels_of(topic))

    def of(self, topic: str) -> tuple[Subscription, ...]:
        """Who gets what is published to a topic. May block for the registry, and raises what that raises."""
        known, now = self._known, self._clock.monotonic()
        found = known.get(topic)
        if found is not None and 0 <= now - found[0] < REMEMBERED_FOR:
            return found[1]
        with self._lock:
            known = self._known
            matching = self._index.match(levels_of(topic))
        admitted = tuple(self._admit(matching, topic))
        if len(known) >= REMEMBERED:
            known.clear()
        known[topic] = (now, admitted)
        return admitted
