"""Topic spaces against a naive model: who publishes, subscribes, is granted what, and restarts in between (BUS-6)."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support_bus import World, start_world, weather_bus

from connector.errors import AccessDenied
from connector_bus import BusConnection
from connector_bus.adapter.subscription import BusSubscription

PHASES = [phase for phase in Phase if phase is not Phase.explain]
USERS = ("alice", "bob")
TOPICS = ("/", "a", "a/b", "a/b/c", "b")
PATTERNS = ("#", "*", "a", "a/#", "a/*", "#/c", "a/b/#", "/")
SELECTORS = (None, "odd = TRUE")


@dataclass
class Policy:
    """Receivers by topic, and topics that inherit nothing."""

    receivers: dict[str, set[str]] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def allows(self, user: str, topic: str) -> bool:
        """From the root down, as the text says it; everybody may receive at the root."""
        allowed, above = True, ""
        for level in topic.strip("/").split("/") if topic != "/" else []:
            above = f"{above}/{level}".strip("/")
            if above in self.closed:
                allowed = False
            allowed = allowed or user in self.receivers.get(above, ())
        return allowed

    def settings(self) -> dict[str, Any]:
        topics = {
            topic: {
                "inherit_receiver": topic not in self.closed,
                "roles": {"receiver": [f"user:{user}" for user in sorted(self.receivers.get(topic, ()))]},
            }
            for topic in sorted({*self.receivers, *self.closed})
        }
        return {"weather": weather_bus(destinations={"news": {"type": "topic-space", "topics": topics}})}


def matches(pattern: str, topic: str) -> bool:
    def path(text: str) -> list[str]:
        return [] if text == "/" else text.split("/")

    wildcards = {"*": "/[^/]+", "#": "(?:/[^/]+)*"}
    written = "".join(wildcards.get(level, f"/{level}") for level in path(pattern))
    return re.fullmatch(written, "".join(f"/{level}" for level in path(topic))) is not None


@dataclass
class Model:
    """One subscription as it should be."""

    user: str
    pattern: str
    selector: str | None
    name: str | None
    handle: BusSubscription | None
    waiting: list[int] = field(default_factory=list)
    lost: bool = False

    @property
    def is_wildcard(self) -> bool:
        return bool({"*", "#"} & set(self.pattern.split("/")))


@settings(
    phases=PHASES, max_examples=50, deadline=None, stateful_step_count=25, suppress_health_check=[HealthCheck.too_slow]
)
class Topics(RuleBasedStateMachine):
    """Each subscription holds exactly what the model says, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.policy = Policy()
        self.subscriptions: list[Model] = []
        self.connections: dict[str, BusConnection] = {}
        self.numbers = 0
        self.names = 0
        self.world: World | None = None

    @initialize()
    def start(self) -> None:
        self.world = start_world(self.folder, self.policy.settings())
        self.connections = {user: self.world.connect(user) for user in USERS}

    @rule(
        user=st.sampled_from(USERS),
        pattern=st.sampled_from(PATTERNS),
        selector=st.sampled_from(SELECTORS),
        durable=st.booleans(),
    )
    def subscribe(self, user: str, pattern: str, selector: str | None, durable: bool) -> None:
        self.names += 1
        model = Model(user, pattern, selector, f"s{self.names}" if durable else None, None)
        if self._open(model):
            self.subscriptions.append(model)

    def _open(self, model: Model) -> bool:
        connection = self.connections[model.user]
        terms: dict[str, Any] = {"selector": model.selector}
        if model.name is not None:
            terms |= {"name": model.name, "durable": True}
        if not model.is_wildcard and not self.policy.allows(model.user, model.pattern):
            with pytest.raises(AccessDenied):
                connection.subscribe("news", model.pattern, **terms)
            return False
        model.handle, model.lost = connection.subscribe("news", model.pattern, **terms), False
        return True

    @rule(topic=st.sampled_from(TOPICS), data=st.data())
    def publish(self, topic: str, data: st.DataObject) -> None:
        self.numbers += 1
        odd = self.numbers % 2 == 1
        user = data.draw(st.sampled_from(USERS))
        self.connections[user].send("news", self.numbers, topic=topic, properties={"odd": odd})
        for each in self.subscriptions:
            wanted = each.selector is None or odd
            if wanted and matches(each.pattern, topic) and self.policy.allows(each.user, topic):
                each.waiting.append(self.numbers)

    @precondition(lambda self: self.subscriptions)
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(self.subscriptions))
        if model.handle is None:
            return
        if model.lost:
            with pytest.raises(AccessDenied):
                model.handle.receive(0)
            return
        message = model.handle.receive(0)
        assert (None if message is None else message.body) == (model.waiting.pop(0) if model.waiting else None)

    @precondition(lambda self: self.subscriptions)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(self.subscriptions))
        if model.handle is not None:
            model.handle.close()
            model.handle = None
        if model.name is None:
            self.subscriptions.remove(model)

    @precondition(lambda self: any(each.handle is None for each in self.subscriptions))
    @rule(data=st.data())
    def use_again(self, data: st.DataObject) -> None:
        self._open(data.draw(st.sampled_from([each for each in self.subscriptions if each.handle is None])))

    @precondition(lambda self: any(each.handle is None for each in self.subscriptions))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from([each for each in self.subscriptions if each.handle is None]))
        assert model.name is not None
        self.connections[model.user].unsubscribe(model.name)
        self.subscriptions.remove(model)

    @rule(topic=st.sampled_from(TOPICS[1:]), user=st.sampled_from(USERS))
    def grant_or_take(self, topic: str, user: str) -> None:
        self.policy.receivers.setdefault(topic, set()).symmetric_difference_update({user})
        self._reconfigure()

    @rule(topic=st.sampled_from(TOPICS[1:]))
    def open_or_stop_inheritance(self, topic: str) -> None:
        self.policy.closed.symmetric_difference_update({topic})
        self._reconfigure()

    def _reconfigure(self) -> None:
        assert self.world is not None
        change = self.world.adapter.sections_changed({"buses": self.policy.settings()})
        assert change is not None
        change.apply()
        for each in self.subscriptions:
            if each.handle is not None and not each.is_wildcard and not self.policy.allows(each.user, each.pattern):
                each.lost = True

    @rule()
    def restart(self) -> None:
        assert self.world is not None
        self.world.stop()
        self.subscriptions = [each for each in self.subscriptions if each.name is not None]
        for each in self.subscriptions:
            each.handle = None
        self.start()

    def teardown(self) -> None:
        if self.world is not None:
            for each in self.subscriptions:
                if each.name is not None and each.handle is None:
                    engine = self.world.adapter._buses["weather"].engine
                    left = [message.body for message in engine.peek(engine.topics.named(each.name).destination)]
                    assert left == each.waiting
            self.world.stop()
        shutil.rmtree(self.folder)


test_topics_hold_what_the_model_says = Topics.TestCase
