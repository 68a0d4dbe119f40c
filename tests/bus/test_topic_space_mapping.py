"""Publications that go over a link to the topic space of another bus (BUS-6, BUS-9)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_bus import REALM, World, running
from support_links import ALIASES, Country, hop

from connector.spi import UserPrincipal

SPACE = {"type": "topic-space"}


def country(other: str, *, mapped: dict[str, str], **news: Any) -> dict[str, Any]:
    return {
        "roles": {"connector": ["AllAuthenticated"]},
        "destinations": {"news": {**SPACE, **news}},
        "foreign_buses": {other: hop(other, senders=[], topic_spaces=mapped)},
    }


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Both publish to each other; in France nobody but alice publishes on politics."""
    politics = {"politics": {"inherit_sender": False, "roles": {"sender": ["user:alice"]}}}
    buses = {
        "britain": country("france", mapped={"news": "news"}),
        "france": country("britain", mapped={"news": "news"}, topics=politics),
    }
    with running(tmp_path, buses, aliases=ALIASES) as started:
        yield started


def heard(world: World, bus: str, publish: list[tuple[str, str, str]], pattern: str = "#") -> list[Any]:
    """What a subscriber on a bus hears of what is published in Britain."""
    with world.connect("bob", bus=bus) as listening, listening.subscribe("news", pattern) as subscription:
        for user, topic, body in publish:
            with world.connect(user, bus="britain") as connection:
                connection.send("news", body, topic=topic)
        world.works.pump()
        messages = []
        while (message := subscription.receive(timeout=0)) is not None:
            messages.append(message)
        return messages


def test_a_publication_is_heard_on_the_other_bus_with_its_topic_and_identity(world: World) -> None:
    (message,) = heard(world, "france", [("alice", "sports/football", "goal")])
    assert (message.body, message.topic, message.destination) == ("goal", "sports/football", "news")
    assert message.identity == UserPrincipal("alice", REALM)


def test_it_is_heard_at_home_once(world: World) -> None:
    assert [each.body for each in heard(world, "britain", [("alice", "sports", "goal")])] == ["goal"]


def test_the_other_bus_asks_about_its_own_topic(world: World) -> None:
    publications = [("alice", "politics", "vote"), ("bob", "politics", "rumour")]
    assert [each.body for each in heard(world, "france", publications)] == ["vote"]
    (failed,) = Country(world, "france").exceptions()
    assert failed.properties["exception_reason"] == "CF-BUS-120"


def test_what_is_not_mapped_stays_at_home(tmp_path: Path) -> None:
    buses = {"britain": country("france", mapped={}), "france": country("britain", mapped={})}
    with running(tmp_path, buses, aliases=ALIASES) as world:
        assert heard(world, "france", [("alice", "sports", "goal")]) == []


def test_buses_in_a_ring_hear_everything_once(tmp_path: Path) -> None:
    names = ("britain", "france", "spain")
    buses = {
        name: {
            **country("x", mapped={}),
            "foreign_buses": {
                other: hop(other, senders=[], topic_spaces={"news": "news"}) for other in names if other != name
            },
        }
        for name in names
    }
    with running(tmp_path, buses, aliases=ALIASES) as world:
        for name in names:
            assert [each.body for each in heard(world, name, [("alice", "sports", "goal")])] == ["goal"]


def test_a_mediated_topic_space_is_mapped_behind_its_mediations(tmp_path: Path) -> None:
    mediated = country("france", mapped={"news": "news"}, mediations=[f"{__name__}:shout"])
    buses = {
        "britain": mediated,
        "france": country("britain", mapped={"news": "news"}, mediations=[f"{__name__}:shout"]),
    }
    with running(tmp_path, buses, aliases=ALIASES) as world:
        assert [each.body for each in heard(world, "france", [("alice", "sports", "goal")])] == ["goal!!"]
        assert [each.body for each in heard(world, "britain", [("alice", "sports", "goal")])] == ["goal!"]


def shout(message: Any, context: Any) -> Any:
    """A mediation."""
    return message.replace(body=f"{message.body}!")
