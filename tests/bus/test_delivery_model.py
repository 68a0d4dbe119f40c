"""FLOW-8: delivery as a state machine on a fake clock: nothing lost, nothing settled twice, order where it is promised.

The adapter, its store and its queues are the real ones; works wait until a step runs one of them, in any order.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support_bus import FakeEndpointFactory, World, signed_on, start_world

from connector.errors import Reason, RegistryUnavailable
from connector.spi import ActivationSpec, Message, Ordering, RedeliveryPolicy

AWAY = Reason("CF-TESTBUS-022", "the directory does not answer at all", "Wait.")


class DeliveryMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.sent: list[tuple[int, str | None]] = []
        self.settled: list[int] = []
        self.outcome = "well"
        self.paused = False

    @initialize(
        ordering=st.sampled_from(Ordering),
        concurrency=st.integers(1, 3),
        limit=st.integers(0, 3),
        delay=st.sampled_from([0.0, 5.0]),
    )
    def begin(self, ordering: Ordering, concurrency: int, limit: int, delay: float) -> None:
        self.world: World = start_world(self.folder)
        self.ordering = ordering
        self.factory = FakeEndpointFactory(
            self.handle,
            subject=signed_on("server"),
            concurrency=1 if ordering is Ordering.QUEUE else concurrency,
            ordering=ordering,
            redelivery=RedeliveryPolicy(limit, delay, 2.0, 8.0),
        )
        self.spec = ActivationSpec("jms/requests", {"bus": "weather", "destination": "requests"})
        self.world.adapter.activate_endpoint(self.factory, self.spec)

    def handle(self, message: Message) -> None:
        if self.outcome == "ill":
            raise ValueError
        if self.outcome == "outage":
            raise RegistryUnavailable(AWAY)
        self.settled.append(message.body)

    @rule(groups=st.lists(st.sampled_from([None, "x", "y"]), min_size=1, max_size=4))
    def send(self, groups: list[str | None]) -> None:
        connection = self.world.connect("alice")
        for group in groups:
            number = len(self.sent)
            connection.send("requests", Message(number, group=group))
            self.sent.append((number, group))

    @precondition(lambda self: self.world.works.waiting)
    @rule(which=st.integers(0, 5), outcome=st.sampled_from(["well", "ill", "ill", "outage"]))
    def deliver(self, which: int, outcome: str) -> None:
        works = self.world.works._works
        works.rotate(-(which % len(works)))
        self.outcome = outcome
        works.popleft()()

    @rule(seconds=st.sampled_from([1.0, 8.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    @precondition(lambda self: not self.paused)
    @rule()
    def pause(self) -> None:
        self.paused = True
        adapter = self.world.adapter
        activation = adapter._activations.pop((self.factory, self.spec))
        if not activation.stop(0.0):  # as deactivate_endpoint does, which would wait for the works that only we run
            adapter._leaving[self.factory, self.spec] = activation

    @precondition(lambda self: self.paused)
    @rule()
    def resume(self) -> None:
        self.paused = False
        self.world.adapter.activate_endpoint(self.factory, self.spec)

    @invariant()
    def nothing_is_lost_and_nothing_settled_twice(self) -> None:
        assert len(set(self.settled)) == len(self.settled)
        buried = [message.body for message in self.world.exceptions()]
        ready, claimed = self.queue.counts()
        assert len(self.settled) + len(buried) + ready + claimed == len(self.sent)
        assert not set(self.settled) & set(buried)
        assert len(set(buried)) == len(buried)

    @invariant()
    def order_is_kept_where_it_is_promised(self) -> None:
        if self.ordering is Ordering.QUEUE:
            assert self.settled == sorted(self.settled)
        if self.ordering is Ordering.GROUP:
            by_group: dict[str, list[int]] = defaultdict(list)
            for number in self.settled:
                group = self.sent[number][1]
                if group is not None:
                    by_group[group].append(number)
            assert all(numbers == sorted(numbers) for numbers in by_group.values())

    @invariant()
    def no_more_are_in_delivery_than_may(self) -> None:
        activation = self.world.adapter._activations.get((self.factory, self.spec))
        consumer: Any = None if activation is None else activation._consumer
        assert consumer is None or consumer.in_delivery <= self.factory.concurrency

    def teardown(self) -> None:
        """Whatever has happened: when all is well again, everything comes to its end."""
        try:
            if hasattr(self, "world"):
                self.come_to_an_end()
        finally:
            if hasattr(self, "world"):
                self.world.stop()
            shutil.rmtree(self.folder)

    def come_to_an_end(self) -> None:
        if self.paused:
            self.resume()
        self.outcome = "well"
        for _ in range(10):
            self.world.works.pump()
            self.world.advance(60.0)
        assert self.queue.counts() == (0, 0)
        self.nothing_is_lost_and_nothing_settled_twice()
        self.order_is_kept_where_it_is_promised()

    @property
    def queue(self) -> Any:
        return self.world.adapter._buses["weather"].engine.destinations.get("requests").queue


DeliveryMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
TestDelivery = DeliveryMachine.TestCase
