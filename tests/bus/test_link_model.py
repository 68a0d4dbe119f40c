"""A link as a state machine: whatever fails on either side, the other bus has each message once, in order (BUS-9)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support_bus import World, start_world
from support_links import ALIASES, Country, britain, france

from connector.errors import ConnectionFailed, Reason
from connector_bus.links.contract import LinkSession, LinkTransport
from connector_bus.links.exploration import Question, Stage
from connector_bus.links.transfer import Answer, Login, Transfer

CUT = Reason("CF-TEST-LINK-001", "cut off", "")


class Wire:
    """A transport that loses what it is told to lose: requests before they arrive, or answers after they did."""

    def __init__(self, inner: LinkTransport, faults: list[str]) -> None:
        self._inner, self._faults = inner, faults

    def open(self, login: Login) -> LinkSession:
        return WireSession(self._inner.open(login), self._faults)


class WireSession:
    def __init__(self, inner: LinkSession, faults: list[str]) -> None:
        self._inner, self._faults = inner, faults

    @property
    def endpoint(self) -> str:
        return self._inner.endpoint

    def held(self) -> frozenset[str]:
        return self._inner.held()

    def transfer(self, batch: Sequence[Transfer], forget: Collection[str] = ()) -> Sequence[Answer]:
        fault = self._faults.pop(0) if self._faults else ""
        if fault == "request":
            raise ConnectionFailed(CUT)
        part = batch[: len(batch) // 2] if fault == "half" else batch
        answers = self._inner.transfer(part, forget)
        if fault:
            raise ConnectionFailed(CUT)
        return answers

    def explore(self, question: Question) -> Sequence[Stage]:
        return self._inner.explore(question)

    def close(self) -> None:
        self._inner.close()


class LinkMachine(RuleBasedStateMachine):
    """Both buses are in one container, which is stopped and started; the wire between them fails as it likes."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="link-model-"))
        self.faults: list[str] = []
        self.sent: list[int] = []
        self.taken: list[int] = []
        self.world = self._started()

    def _started(self) -> World:
        world = start_world(self.folder, {"britain": britain(), "france": france()}, aliases=ALIASES)
        sender = world.adapter._buses["britain"].links.sender("france")
        sender._transport = Wire(sender._transport, self.faults)
        return world

    @rule(count=st.sampled_from([1, 3, 70]))
    def send(self, count: int) -> None:
        with self.world.connect("alice", bus="britain") as connection:
            for _ in range(count):
                connection.send("forecasts@france", len(self.sent))
                self.sent.append(len(self.sent))

    @rule(faults=st.lists(st.sampled_from(["request", "half", "answer"]), min_size=1, max_size=3))
    def fail(self, faults: list[str]) -> None:
        self.faults += faults

    @rule()
    def work(self) -> None:
        self.world.works.pump()

    @rule()
    def wait(self) -> None:
        self.world.advance(60)

    @rule()
    def pause(self) -> None:
        here = Country(self.world, "britain")
        here.command("link_stop", link="france")
        here.command("link_start", link="france")

    @rule()
    def restart(self) -> None:
        self.world.stop()
        self.world = self._started()

    @rule()
    def receive(self) -> None:
        with self.world.connect("bob", bus="france") as connection:
            while (message := connection.receive("forecasts", timeout=0)) is not None:
                self.taken.append(message.body)

    @invariant()
    def nothing_comes_twice_or_out_of_order(self) -> None:
        if hasattr(self, "world"):
            there = [each.body for each in Country(self.world, "france").peek("forecasts")]
            assert [*self.taken, *there] == self.sent[: len(self.taken) + len(there)]

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.faults.clear()
            for _ in range(3):
                self.world.works.pump()
                self.world.advance(60)
            self.world.works.pump()
            self.receive()
            assert self.taken == self.sent
            store = self.world.adapter._buses["france"].engine.store
            assert len(store.received("britain")) <= 64
        finally:
            self.world.stop()
            shutil.rmtree(self.folder)


LinkMachine.TestCase.settings = settings(
    max_examples=8,
    stateful_step_count=15,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
TestLink = LinkMachine.TestCase
