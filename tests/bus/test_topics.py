"""Topic spaces: what is published, who gets it, and what happens to each copy (BUS-1, BUS-6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import AccessDenied, MessagingError, NameNotFound, Reason, RegistryUnavailable
from connector.spi import Message, RedeliveryPolicy
from connector_bus.adapter.subscription import BusSubscription

REGISTRY_DOWN = Reason("CF-TESTBUS-041", "the registry does not answer", "")
TREE = {"uk/secret": {"inherit_receiver": False, "inherit_sender": False, "roles": {"receiver": ["user:carol"]}}}


def topics(space: Mapping[str, Any] | None = None, **destinations: Any) -> dict[str, Any]:
    news = {"type": "topic-space", "topics": TREE, **(space or {})}
    alias = {"type": "alias", "target": "news"}
    return {"weather": weather_bus(destinations={"news": news, "papers": alias, "uk": {}, "log": {}, **destinations})}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with running(tmp_path, topics()) as world:
        yield world


def bodies(subscription: BusSubscription) -> list[Any]:
    received = []
    while (message := subscription.receive(0)) is not None:
        received.append(message.body)
    return received


def code_of(call: Any, *given: Any, **more: Any) -> str:
    with pytest.raises((MessagingError, AccessDenied, NameNotFound)) as caught:
        call(*given, **more)
    return caught.value.code


def test_each_subscription_gets_what_is_published_to_its_topics_from_then_on(world: World) -> None:
    with world.connect("alice") as sender, world.connect("bob") as one, world.connect("carol") as other:
        sender.send("news", "before", topic="uk")
        exact = one.subscribe("news", "uk")
        level = one.subscribe("news", "uk/*")
        all_of_uk = other.subscribe("news", "uk/#")
        everything = other.subscribe("news")
        for topic in ("uk", "uk/london", "uk/london/fog", "fr", None):
            sender.send("news", topic, topic=topic)
        assert bodies(exact) == ["uk"]
        assert bodies(level) == ["uk/london"]
        assert bodies(all_of_uk) == ["uk", "uk/london", "uk/london/fog"]
        assert bodies(everything) == ["uk", "uk/london", "uk/london/fog", "fr", None]


def test_a_message_says_where_it_was_published_and_by_whom(world: World) -> None:
    with world.connect("alice") as sender, world.connect("bob") as receiver:
        subscription = receiver.subscribe("papers", "uk")
        sent = sender.send("papers", "fog", topic="uk")
        message = subscription.receive(0)
        assert message is not None
        assert (message.destination, message.topic, message.message_id) == ("news", "uk", sent)
        assert str(message.identity) == "alice@weather"
        other = receiver.subscribe("news", "/")
        sender.send("news", "root")
        root = other.receive(0)
        assert root is not None
        assert root.topic == "/"


def test_a_topic_with_wildcards_can_not_be_published_to(world: World) -> None:
    with world.connect("alice") as sender:
        for topic in ("uk/*", "#", "uk//x", "uk/"):
            assert code_of(sender.send, "news", "x", topic=topic) == "CF-BUS-184"


def test_a_topic_space_is_neither_received_from_nor_browsed_and_a_queue_not_subscribed_to(world: World) -> None:
    with world.connect("alice") as connection:
        assert code_of(connection.receive, "news", 0) == "CF-BUS-182"
        assert code_of(connection.receive, "papers", 0) == "CF-BUS-182"
        assert code_of(connection.subscribe, "uk") == "CF-BUS-185"
        assert code_of(connection.subscribe, "nws") == "CF-BUS-030"
        assert code_of(connection.subscribe, "news", "uk*") == "CF-BUS-183"
        assert code_of(connection.subscribe, "news", selector="=") == "CF-BUS-170"


def test_publishing_needs_the_role_on_the_topic(world: World) -> None:
    with world.connect("alice") as sender, world.connect("carol") as receiver:
        subscription = receiver.subscribe("news", "uk/secret")
        assert code_of(sender.send, "news", "x", topic="uk/secret") == "CF-BUS-120"
        assert code_of(sender.send, "papers", "x", topic="uk/secret/more") == "CF-BUS-120"
        assert bodies(subscription) == []


def test_one_topic_is_checked_at_the_subscription_and_of_a_pattern_each_message(tmp_path: Path) -> None:
    tree = {"uk/secret": {"inherit_receiver": False, "roles": {"receiver": ["user:carol"]}}}
    with running(tmp_path, topics({"topics": tree})) as world:
        with world.connect("alice") as sender, world.connect("bob") as bob, world.connect("carol") as carol:
            assert code_of(bob.subscribe, "news", "uk/secret") == "CF-BUS-121"
            his, hers = bob.subscribe("news", "uk/#"), carol.subscribe("news", "uk/#")
            for topic in ("uk", "uk/secret", "uk/secret/deep"):
                sender.send("news", topic, topic=topic)
            assert bodies(his) == ["uk"]
            assert bodies(hers) == ["uk", "uk/secret", "uk/secret/deep"]


def test_a_subscription_takes_only_what_its_selector_does(world: World) -> None:
    with world.connect("alice") as sender, world.connect("bob") as receiver:
        subscription = receiver.subscribe("news", selector="warm = TRUE")
        sender.send("news", "cold", topic="uk", properties={"warm": False})
        sender.send("news", "warm", topic="uk", properties={"warm": True})
        assert bodies(subscription) == ["warm"]


def test_what_is_not_durable_is_gone_with_its_use_or_its_connection(world: World) -> None:
    engine = world.adapter._buses["weather"].engine
    with world.connect("alice") as sender, world.connect("bob") as receiver:
        subscription = receiver.subscribe("news")
        other = receiver.subscribe("news")
        sender.send("news", "x")
        subscription.close()
        subscription.close()
        assert code_of(subscription.receive, 0) == "CF-BUS-036"
        assert len(engine.topics.all()) == 1
    assert other.closed
    assert engine.topics.all() == []
    assert list(engine.store.index()) == []


def test_a_durable_subscription_gathers_while_nobody_is_there_and_over_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, topics()) as world, world.connect("alice") as sender:
        with world.connect("bob") as receiver:
            receiver.subscribe("news", "uk/#", name="bob-uk", durable=True)
        sender.send("news", "fog", topic="uk", priority=7, properties={"thick": True}, reply_to="log")
        sender.send("news", "wine", topic="fr")
    with running(tmp_path, topics()) as world:
        with world.connect("alice") as sender:
            sender.send("news", "rain", topic="uk/wales")
        with world.connect("bob") as receiver:
            subscription = receiver.subscribe("news", "uk/#", name="bob-uk", durable=True)
            message = subscription.receive(0)
            assert message is not None
            assert (message.body, message.topic, message.destination) == ("fog", "uk", "news")
            assert (message.priority, message.reply_to, dict(message.properties)) == (7, "log", {"thick": True})
            assert bodies(subscription) == ["rain"]


def test_what_is_closed_is_used_no_more_whatever_it_holds(world: World) -> None:
    with world.connect("alice") as connection:
        subscription = connection.subscribe("news", name="mine", durable=True)
        connection.send("news", "x")
        assert len(list(subscription.browse())) == 1
        subscription.close()
        assert code_of(subscription.receive, 0) == "CF-BUS-036"
        assert code_of(subscription.browse) == "CF-BUS-036"
        assert [message.body for message in _peek(world, "mine")] == ["x"]


def test_a_durable_subscription_is_its_makers_alone(world: World) -> None:
    with world.connect("alice") as alice, world.connect("bob") as bob:
        alice.subscribe("news", name="mine", durable=True).close()
        assert code_of(bob.subscribe, "news", name="mine", durable=True) == "CF-BUS-186"
        assert code_of(bob.unsubscribe, "mine") == "CF-BUS-187"
        assert code_of(bob.unsubscribe, "yours") == "CF-BUS-191"
        used = alice.subscribe("news", name="mine", durable=True)
        assert code_of(alice.unsubscribe, "mine") == "CF-BUS-190"
        used.close()
        alice.unsubscribe("mine")
        bob.subscribe("news", name="mine", durable=True)
    refused = [event for event in world.context.audit.events if event.reason in ("CF-BUS-186", "CF-BUS-187")]
    assert [(event.action, event.who) for event in refused] == [("bus.subscribe", "bob@weather")] * 2


def test_a_name_stands_for_one_subscription_only(world: World) -> None:
    with world.connect("alice") as connection:
        assert code_of(connection.subscribe, "news", durable=True) == "CF-BUS-188"
        assert code_of(connection.subscribe, "news", shared=True) == "CF-BUS-188"
        connection.subscribe("news", "uk/#", name="mine", durable=True).close()
        for other in ({"topic": "uk"}, {"selector": "a = 1"}, {"shared": True}, {"durable": False, "shared": True}):
            given = {"topic": "uk/#", "name": "mine", "durable": True, **other}
            assert code_of(connection.subscribe, "news", **given) == "CF-BUS-189"
        connection.subscribe("news", "uk//.", name="mine", durable=True)  # the same in the other notation
        assert code_of(connection.subscribe, "news", "uk/#", name="mine", durable=True) == "CF-BUS-190"


def test_the_consumers_of_a_shared_subscription_share_its_messages(world: World) -> None:
    with world.connect("alice") as sender, world.connect("bob") as one, world.connect("bob") as other:
        first = one.subscribe("news", name="team", shared=True)
        second = other.subscribe("news", name="team", shared=True)
        for number in range(4):
            sender.send("news", number)
        received = [first.receive(0), second.receive(0), first.receive(0), second.receive(0), first.receive(0)]
        assert [None if message is None else message.body for message in received] == [0, 1, 2, 3, None]
        first.close()
        sender.send("news", "still there")
        assert bodies(second) == ["still there"]
        second.close()
        assert world.adapter._buses["weather"].engine.topics.all() == []


def test_a_durable_shared_subscription_outlives_all_of_its_consumers(world: World) -> None:
    with world.connect("alice") as sender, world.connect("bob") as receiver:
        terms: dict[str, Any] = {"name": "team", "shared": True, "durable": True}
        for each in (receiver.subscribe("news", **terms), receiver.subscribe("news", **terms)):
            each.close()
        sender.send("news", "x")
        assert bodies(receiver.subscribe("news", **terms)) == ["x"]


def test_a_durable_subscription_keeps_the_rights_that_its_maker_has_now(tmp_path: Path) -> None:
    tree = {"secret": {"inherit_receiver": False, "roles": {"receiver": ["group:forecasters"]}}}
    with running(tmp_path, topics({"topics": tree})) as world, world.connect("alice") as sender:
        with world.connect("carol") as receiver:
            receiver.subscribe("news", name="hers", durable=True)
        sender.send("news", "while she is one", topic="secret")
        world.identity.users["carol"] = ("carol-pw", ())
        world.alarms[0].advance(2)
        sender.send("news", "afterwards", topic="secret")
        sender.send("news", "open", topic="uk")
        del world.identity.users["carol"]
        world.alarms[0].advance(2)
        sender.send("news", "after she left", topic="uk")
        assert [message.body for message in _peek(world, "hers")] == ["while she is one", "open"]


def _peek(world: World, name: str) -> list[Message]:
    engine = world.adapter._buses["weather"].engine
    return list(engine.peek(engine.topics.named(name).destination))


def test_a_topic_asks_the_registry_once_for_each_subscriber_and_then_not_for_a_while(tmp_path: Path) -> None:
    with running(tmp_path, topics()) as world, world.connect("alice") as sender:
        with world.connect("bob") as one, world.connect("carol") as other:
            for number in range(20):
                (one, other)[number % 2].subscribe("news", "uk/#", name=f"s{number}", durable=True)
        asked: list[str] = []
        assert_user = world.identity.assert_user

        def counting(user: str) -> Any:
            asked.append(user)
            return assert_user(user)

        world.identity.assert_user = counting  # type: ignore[method-assign]
        for number in range(50):
            sender.send("news", number, topic="uk")
        assert sorted(asked) == ["bob", "carol"]
        world.alarms[0].advance(1)
        sender.send("news", "later", topic="uk")
        assert sorted(asked) == ["bob", "bob", "carol", "carol"]
        assert len(_peek(world, "s0")) == 51


def test_nothing_is_published_while_a_registry_can_not_say_who_may_have_it(tmp_path: Path) -> None:
    with running(tmp_path, topics()) as world, world.connect("alice") as sender:
        with world.connect("bob") as receiver:
            receiver.subscribe("news", name="s", durable=True)
        assert_user = world.identity.assert_user

        def down(user: str) -> Any:
            raise RegistryUnavailable(REGISTRY_DOWN)

        world.identity.assert_user = down  # type: ignore[method-assign]
        with pytest.raises(RegistryUnavailable):
            sender.send("news", "x")
        world.identity.assert_user = assert_user  # type: ignore[method-assign]
        sender.send("news", "y")
        assert [message.body for message in _peek(world, "s")] == ["y"]


def test_without_topic_checks_the_topic_space_alone_counts(tmp_path: Path) -> None:
    with running(tmp_path, topics({"topic_checks": False})) as world:
        with world.connect("alice") as sender, world.connect("bob") as receiver:
            subscription = receiver.subscribe("news", "uk/secret")
            sender.send("news", "open", topic="uk/secret")
            assert bodies(subscription) == ["open"]


def test_without_the_role_on_the_topic_space_nothing_helps(tmp_path: Path) -> None:
    closed = {"inherit_defaults": False, "roles": {"sender": ["user:alice"]}, "topics": {"/": {"roles": {}}}}
    closed["topics"] = {"uk": {"roles": {"receiver": ["user:bob"]}}}
    with running(tmp_path, topics(closed)) as world:
        with world.connect("bob") as receiver:
            assert code_of(receiver.subscribe, "news", "uk") == "CF-BUS-021"
            assert code_of(receiver.send, "news", "x", topic="uk") == "CF-BUS-020"


def test_expired_messages_are_not_received_and_delayed_ones_only_when_due(world: World) -> None:
    with world.connect("alice") as sender, world.connect("bob") as receiver:
        durable = receiver.subscribe("news", name="d", durable=True)
        passing = receiver.subscribe("news")
        sender.send("news", "soon over", time_to_live=5)
        sender.send("news", "later", delay=60)
        assert (durable.receive(0) is None) is False
        world.alarms[0].advance(10)
        assert bodies(passing) == []
        world.alarms[0].advance(60)
        assert bodies(passing) == ["later"]
        assert bodies(durable) == ["later"]
    assert world.adapter._buses["weather"].engine.expired == 1


def test_a_full_durable_subscription_refuses_the_publication_for_all_of_them(tmp_path: Path) -> None:
    with running(tmp_path, topics({"max_depth": 2, "send_timeout": 0.0})) as world:
        with world.connect("alice") as sender, world.connect("bob") as receiver:
            slow = receiver.subscribe("news", name="slow", durable=True)
            quick = receiver.subscribe("news", "uk")
            for number in range(2):
                sender.send("news", number, topic="uk")
            assert bodies(quick) == [0, 1]
            assert code_of(sender.send, "news", 2, topic="uk") == "CF-BUS-173"
            sender.send("news", "dropped for the full one", topic="uk", reliability="best-effort")
            assert bodies(quick) == ["dropped for the full one"]
            assert bodies(slow) == [0, 1]


def test_a_full_subscription_that_is_not_durable_holds_up_nobody(tmp_path: Path) -> None:
    with (
        running(tmp_path, topics({"max_depth": 2, "send_timeout": 60.0})) as world,
        world.connect("alice") as sender,
        world.connect("bob") as receiver,
    ):
        idle, quick = receiver.subscribe("news", "uk"), receiver.subscribe("news", name="kept", durable=True)
        for number in range(4):
            sender.send("news", number, topic="uk")
            assert bodies(quick) == [number]
        assert bodies(idle) == [0, 1]
        assert world.adapter._buses["weather"].engine.dropped == 2
        sender.send("news", "there is room again", topic="uk")
        assert bodies(idle) == ["there is room again"]


def test_a_transacted_delivery_publishes_with_its_commit_or_never(world: World) -> None:
    outcomes = iter([ValueError("no"), None])
    with world.connect("bob") as receiver, world.connect("server") as server:
        subscription = receiver.subscribe("news")

        def handler(message: Message) -> None:
            server.send("news", message.body)
            if (error := next(outcomes)) is not None:
                raise error

        world.activate(handler, "uk", transacted=True, redelivery=RedeliveryPolicy(limit=2))
        with world.connect("alice") as sender:
            sender.send("uk", "once")
        world.works.pump()
        assert next(outcomes, "both are used up") == "both are used up"
        assert bodies(subscription) == ["once"]


def test_a_handler_may_consume_from_a_durable_subscription(tmp_path: Path) -> None:
    seen: list[tuple[Any, str | None]] = []
    given: dict[str, Any] = {"topic": "uk/#", "subscription": "handler", "durable": True}
    with running(tmp_path, topics()) as world:
        stop = world.activate(lambda message: seen.append((message.body, message.topic)), "papers", properties=given)
        with world.connect("alice") as sender:
            sender.send("news", "fog", topic="uk/london")
            sender.send("news", "wine", topic="fr")
            world.works.pump()
            stop()
            sender.send("news", "meanwhile", topic="uk")
    with running(tmp_path, topics()) as world:
        world.activate(lambda message: seen.append((message.body, message.topic)), "papers", properties=given)
        world.works.pump()
    assert seen == [("fog", "uk/london"), ("meanwhile", "uk")]


def test_a_handler_s_own_subscription_ends_with_its_activation(world: World) -> None:
    seen: list[Any] = []
    stop = world.activate(lambda message: seen.append(message.body), "news", selector="warm = TRUE")
    with world.connect("alice") as sender:
        sender.send("news", "cold")
        sender.send("news", "warm", properties={"warm": True})
        world.works.pump()
        stop()
        sender.send("news", "later", properties={"warm": True})
        world.works.pump()
    assert seen == ["warm"]
    assert world.adapter._buses["weather"].engine.topics.all() == []


def test_what_fails_at_a_subscription_is_kept_with_where_and_is_given_back_to_it_alone(tmp_path: Path) -> None:
    def fail(message: Message) -> None:
        raise ValueError(message.body)

    given: dict[str, Any] = {"subscription": "handler", "durable": True}
    with running(tmp_path, topics()) as world, world.connect("bob") as receiver:
        other = receiver.subscribe("news")
        stop = world.activate(fail, "news", properties=given)
        with world.connect("alice") as sender:
            sender.send("news", "fog", topic="uk")
        for _ in range(4):
            world.works.pump()
            world.alarms[0].advance(3600)
        (failed,) = world.exceptions()
        assert failed.topic == "uk"
        assert failed.properties["exception_destination"] == "_SUBSCRIPTION.handler"
        assert failed.properties["exception_topic_space"] == "news"
        stop()
        assert bodies(other) == ["fog"]
        world.adapter.run_command("bus.replay", {"bus": "weather"})
        assert world.exceptions() == []
        assert bodies(other) == []
        assert [(each.body, each.topic, each.destination) for each in _peek(world, "handler")] == [
            ("fog", "uk", "news")
        ]


def mark(message: Message, _context: object) -> Message:
    return message.replace(properties={**message.properties, "marked": True}, topic=f"{message.topic}/marked")


def test_mediations_see_a_publication_once_before_it_is_copied(tmp_path: Path) -> None:
    with running(tmp_path, topics({"mediations": [f"{__name__}:mark"]})) as world:
        with world.connect("alice") as sender, world.connect("bob") as receiver:
            subscriptions = [receiver.subscribe("news", "uk/marked"), receiver.subscribe("news")]
            before = receiver.subscribe("news", "uk")
            sender.send("news", "fog", topic="uk")
            assert bodies(subscriptions[0]) == []
            world.works.pump()
            received = [each.receive(0) for each in subscriptions]
            assert [message and message.properties for message in received] == [{"marked": True}] * 2
            assert bodies(before) == []


def test_nobody_sends_to_a_subscription_past_its_topic_space(world: World) -> None:
    with world.connect("alice") as sender, world.connect("bob") as receiver:
        receiver.subscribe("news", name="d", durable=True)
        receiver.subscribe("news")
        for each in world.adapter._buses["weather"].engine.topics.all():
            assert code_of(sender.send, each.place, "x") == "CF-BUS-030"
            assert code_of(sender.receive, each.place, 0) == "CF-BUS-030"


def test_a_topic_space_may_come_and_go_while_the_bus_runs(tmp_path: Path) -> None:
    with running(tmp_path, topics()) as world, world.connect("alice") as connection:
        later = topics(sports={"type": "topic-space"})
        change = world.adapter.sections_changed({"buses": later})
        assert change is not None
        change.apply()
        subscription = connection.subscribe("sports", name="s", durable=True)
        connection.send("sports", "goal")
        assert bodies(subscription) == ["goal"]
        change.undo()
        assert code_of(connection.send, "sports", "x") == "CF-BUS-030"
        again = world.adapter.sections_changed({"buses": later})
        assert again is not None
        again.apply()
        connection.send("sports", "again")
        assert code_of(subscription.receive, 0) == "CF-BUS-021"  # it was lost with its topic space
        subscription.close()
        assert bodies(connection.subscribe("sports", name="s", durable=True)) == ["again"]
