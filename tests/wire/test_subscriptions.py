"""Topic spaces over the wire: subscriptions of a link, durable and shared ones, temporary topics (CHAIN-1, BUS-6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_wire import Wire, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message, Terminus, symbol  # noqa: E402
from proton.reactor import Container, ReceiverOption, Selector, SenderOption  # noqa: E402
from proton.utils import BlockingReceiver, LinkDetached  # noqa: E402

TOPICS = """
[buses.weather.destinations.news]
type = "topic-space"
[buses.weather.destinations.news.topics."secret"]
inherit_receiver = false
roles = { receiver = ["user:bob"] }
[buses.weather.temporary_prefixes.ours]
inherit_defaults = false
roles = { creator = ["user:alice"], sender = ["user:bob"] }
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path, extra=TOPICS) as started:
        yield started


class Durable(ReceiverOption):
    def apply(self, receiver: Any) -> None:
        receiver.source.durability = Terminus.DELIVERIES
        receiver.source.expiry_policy = Terminus.EXPIRE_NEVER


class With(ReceiverOption):
    """Source capabilities."""

    def __init__(self, *capabilities: str, prefix: str | None = None) -> None:
        self._capabilities = capabilities
        self._prefix = prefix

    def apply(self, receiver: Any) -> None:
        from proton import SymbolList

        receiver.source.capabilities.put_object(SymbolList([*self._capabilities]))
        if self._prefix is not None:
            receiver.source.properties.put_object({symbol("x-opt-prefix"): self._prefix})


class WithoutSource(ReceiverOption):
    def apply(self, receiver: Any) -> None:
        receiver.source.type = Terminus.UNSPECIFIED


def connect(running: Wire, user: str, container: str) -> Any:
    own = Container()
    own.container_id = container
    return running.connect(user, container=own)


def publish(running: Wire, *bodies: str, address: str = "news", topic: str | None = None) -> None:
    sender = running.connect("alice").create_sender(address)
    for body in bodies:
        sender.send(Message(body=body, subject=topic, durable=True))
    sender.close()


def bodies(receiver: BlockingReceiver, count: int) -> list[Any]:
    got = []
    for _ in range(count):
        got.append(receiver.receive(timeout=10).body)
        receiver.accept()
    return got


def subscriptions(running: Wire) -> list[str | None]:
    return [each.record.name for each in running.bus.engine.topics.all()]


def gone(running: Wire, client: Any) -> bool:
    """Whether no subscription is left; what ends one is done on another thread."""
    for _ in range(100):
        if not subscriptions(running):
            return True
        client.create_sender("requests").close()  # a round trip
    return False


def test_each_subscriber_gets_what_is_published_while_it_is_there(running: Wire) -> None:
    publish(running, "too early")
    first, second = (running.connect(user).create_receiver("news", credit=5) for user in ("bob", "carol"))
    publish(running, "one", "two")
    assert bodies(first, 2) == bodies(second, 2) == ["one", "two"]
    client = first.connection
    first.close()
    second.close()
    assert gone(running, client)


@pytest.mark.parametrize("how", ["subject", "address"])
def test_a_topic_is_a_part_of_the_address_or_the_subject_of_a_message(running: Wire, how: str) -> None:
    sports = running.connect("bob").create_receiver("news/sports/#", credit=5)
    topic = "sports/chess"
    if how == "subject":
        publish(running, "mate", topic=topic)
    else:
        publish(running, "mate", address=f"news/{topic}")
    publish(running, "rain", topic="weather")
    publish(running, "draw", topic="sports")
    assert bodies(sports, 2) == ["mate", "draw"]


def test_a_topic_that_a_user_may_not_receive_is_refused_and_never_shown(running: Wire) -> None:
    with pytest.raises(LinkDetached, match="CF-BUS-121"):
        running.connect("carol").create_receiver("news/secret")
    everything = running.connect("carol").create_receiver("news", credit=5)
    publish(running, "hidden", topic="secret")
    publish(running, "shown", topic="public")
    assert bodies(everything, 1) == ["shown"]


def test_a_selector_narrows_a_subscription(running: Wire) -> None:
    receiver = running.connect("bob").create_receiver("news", credit=5, options=Selector("JMSPriority > 6"))
    sender = running.connect("alice").create_sender("news")
    for priority in (4, 9):
        sender.send(Message(body=priority, priority=priority))
    assert bodies(receiver, 1) == [9]


def test_a_durable_subscription_gathers_while_its_link_is_detached(running: Wire) -> None:
    client = connect(running, "bob", "office")
    receiver = client.create_receiver("news", name="daily", credit=5, options=Durable())
    answered: list[Any] = []
    receiver.fetcher.on_link_remote_detach = answered.append
    receiver.link.detach()
    client.wait(lambda: bool(answered), timeout=10)
    client.close()
    publish(running, "one", "two")
    assert subscriptions(running) == ["office:daily"]
    again = connect(running, "bob", "office").create_receiver("news", name="daily", credit=5, options=Durable())
    assert bodies(again, 2) == ["one", "two"]
    client = again.connection
    again.close()
    assert gone(running, client)


def test_it_survives_the_loss_of_its_connection_and_a_restart(tmp_path: Path) -> None:
    with wire(tmp_path, extra=TOPICS) as running:
        connect(running, "bob", "office").create_receiver("news", name="daily", options=Durable()).connection.close()
        publish(running, "kept")
    with wire(tmp_path, extra=TOPICS) as running:
        again = connect(running, "bob", "office").create_receiver("news", name="daily", credit=5, options=Durable())
        assert bodies(again, 1) == ["kept"]


def test_nobody_else_uses_it_and_no_second_link_at_once(running: Wire) -> None:
    connect(running, "bob", "office").create_receiver("news", name="daily", options=Durable())
    with pytest.raises(LinkDetached, match="CF-BUS-190"):
        connect(running, "bob", "office").create_receiver("news", name="daily", options=Durable())
    with pytest.raises(LinkDetached, match="CF-BUS-186"):
        connect(running, "carol", "office").create_receiver("news", name="daily", options=Durable())


def test_another_topic_under_the_same_name_makes_it_anew(running: Wire) -> None:
    client = connect(running, "bob", "office")
    client.create_receiver("news/a", name="daily", credit=5, options=Durable())
    publish(running, "old", topic="a")
    client.close()
    again = connect(running, "bob", "office").create_receiver("news/b", name="daily", credit=5, options=Durable())
    publish(running, "new", topic="b")
    assert bodies(again, 1) == ["new"]


def test_a_link_without_a_source_finds_a_subscription_and_closed_it_deletes_it(running: Wire) -> None:
    connect(running, "bob", "office").create_receiver("news", name="daily", options=Durable()).connection.close()
    client = connect(running, "bob", "office")
    link = client.container.create_receiver(client.conn, name="daily", options=WithoutSource())
    client.wait(lambda: bool(link.state & link.REMOTE_ACTIVE), timeout=10)
    assert link.remote_source.address == "news"
    link.close()
    assert gone(running, client)
    client.container.create_receiver(client.conn, name="weekly", options=WithoutSource())
    with pytest.raises(LinkDetached, match="CF-BUS-191"):
        client.wait(lambda: False, timeout=10)


def test_links_share_a_subscription_and_each_message_goes_to_one_of_them(running: Wire) -> None:
    clients = [connect(running, "bob", name) for name in ("here", "there")]
    receivers = [
        client.create_receiver("news", name=name, credit=1, options=With("shared", "global"))
        for client, name in zip(clients, ("ours|global", "ours|global2"), strict=True)
    ]
    publish(running, "one", "two")
    assert sorted(body for receiver in receivers for body in bodies(receiver, 1)) == ["one", "two"]
    assert subscriptions(running) == ["ours"]


@pytest.mark.parametrize(
    ("names", "capabilities", "durable", "known"),
    [
        (("ours", "ours|2"), ("shared",), True, "office:ours"),
        (("ours|global", "ours|global2"), ("shared", "global"), True, "ours"),
        (("ours|volatile1", "ours|volatile2"), ("shared",), False, "office:ours"),
        (("ours|global-volatile1", "ours|global-volatile2"), ("shared", "global"), False, "ours"),
    ],
    ids=["durable", "durable, global", "volatile", "volatile, global"],
)
def test_links_share_by_the_names_that_jms_clients_give_them(
    running: Wire, names: tuple[str, str], capabilities: tuple[str, ...], durable: bool, known: str
) -> None:
    options = [With(*capabilities), *([Durable()] if durable else [])]
    client = connect(running, "bob", "office")
    first, second = (client.create_receiver("news", name=name, credit=1, options=options) for name in names)
    publish(running, *"abcd")  # as many as both have given credit for: this library gives it twice
    assert sorted(body for each in (first, second) for body in bodies(each, 2)) == [*"abcd"]
    assert subscriptions(running) == [known]
    for each in (first, second):
        if durable:
            answered: list[Any] = []
            each.fetcher.on_link_remote_detach = answered.append
            each.link.detach()
            client.wait(lambda answered=answered: bool(answered), timeout=10)
        else:
            each.close()
    if durable:
        publish(running, "later")
        again = client.create_receiver("news", name=names[0], credit=1, options=options)
        assert bodies(again, 1) == ["later"]
    else:
        assert gone(running, client)


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("other", ["news/else", "a selector"])
def test_whoever_wants_to_share_something_else_under_that_name_is_refused(
    running: Wire, durable: bool, other: str
) -> None:
    options = [With("shared"), *([Durable()] if durable else [])]
    client = connect(running, "bob", "office")
    first = client.create_receiver("news/sports", name="ours", credit=1, options=options)
    address = "news/sports" if other == "a selector" else other
    narrowed = [Selector("JMSPriority > 6")] if other == "a selector" else []
    with pytest.raises(LinkDetached, match="CF-BUS-189") as refused:
        client.create_receiver(address, name="ours|2", options=[*options, *narrowed])
    assert refused.value.condition == "amqp:precondition-failed"
    publish(running, "goes on", topic="sports")
    assert bodies(first, 1) == ["goes on"]


def test_a_durable_subscription_that_says_copy_is_a_subscription_and_no_browsing(running: Wire) -> None:
    from proton.reactor import Copy

    options = [Durable(), Copy()]
    client = connect(running, "bob", "office")
    client.create_receiver("news", name="daily", options=options).connection.close()
    publish(running, "one")
    client = connect(running, "bob", "office")
    assert bodies(client.create_receiver("news", name="daily", credit=5, options=options), 1) == ["one"]


def test_a_temporary_topic_is_its_connections_own(running: Wire) -> None:
    client = running.connect("alice")
    receiver = client.create_receiver(None, dynamic=True, credit=5, options=With("temporary-topic"))
    address = receiver.link.remote_source.address
    running.connect("bob").create_sender(address).send(Message(body="private view"))
    assert bodies(receiver, 1) == ["private view"]
    with pytest.raises(LinkDetached, match="CF-BUS-192"):
        running.connect("bob").create_receiver(address)


def test_a_temporary_queue_with_a_prefix_asks_for_the_creator_role(running: Wire) -> None:
    wanted = With("temporary-queue", prefix="ours")
    receiver = running.connect("alice").create_receiver(None, dynamic=True, credit=5, options=wanted)
    address = receiver.link.remote_source.address
    running.connect("bob").create_sender(address).send(Message(body="for alice"))
    assert bodies(receiver, 1) == ["for alice"]
    with pytest.raises(LinkDetached, match="CF-BUS-123"):
        running.connect("carol").create_sender(address)


class DynamicTarget(SenderOption):
    """As JMS clients ask for a temporary destination: by a sending link, which is what it lives as long as."""

    def __init__(self, capability: str, prefix: str | None = None) -> None:
        self._capability = capability
        self._prefix = prefix

    def apply(self, sender: Any) -> None:
        sender.target.dynamic = True
        sender.target.capabilities.put_object(symbol(self._capability))
        if self._prefix is not None:
            sender.target.properties.put_object({symbol("x-opt-prefix"): self._prefix})


@pytest.mark.parametrize("kind", ["temporary-queue", "temporary-topic"])
@pytest.mark.parametrize("end", ["sending", "receiving"])
def test_without_the_creator_role_the_link_is_refused_and_its_session_and_connection_go_on(
    running: Wire, kind: str, end: str
) -> None:
    client = running.connect("carol")
    session = client.conn.session()
    session.open()
    working = client.container.create_sender(session, "requests", name="before")
    if end == "sending":
        link = client.container.create_sender(session, None, name="tmp", options=DynamicTarget(kind, "ours"))
    else:
        link = client.container.create_receiver(
            session, None, name="tmp", dynamic=True, options=With(kind, prefix="ours")
        )
    with pytest.raises(LinkDetached, match="CF-BUS-122") as refused:
        client.wait(lambda: False, timeout=10)
    assert refused.value.condition == "amqp:unauthorized-access"
    refused_end = link.remote_target if end == "sending" else link.remote_source
    assert refused_end.type == Terminus.UNSPECIFIED
    delivery = working.send(Message(body="the session goes on"))
    client.wait(lambda: delivery.settled, timeout=10)
    after = client.container.create_sender(session, "requests", name="after")
    client.wait(lambda: bool(after.state & after.REMOTE_ACTIVE), timeout=10)
    assert session.state & session.REMOTE_ACTIVE
    client.create_sender("requests").send(Message(body="and the connection"))


def test_a_prefix_may_be_said_once_for_the_whole_connection(running: Wire) -> None:
    said = {symbol("temp-prefix"): "ours"}
    for own in (None, "ours"):
        with pytest.raises(LinkDetached, match="CF-BUS-122"):
            running.connect("carol", properties=said).create_receiver(
                None, dynamic=True, options=With("temporary-queue", prefix=own)
            )
    replies = running.connect("alice", properties=said).create_receiver(None, dynamic=True, credit=5)
    running.connect("bob").create_sender(replies.link.remote_source.address).send(Message(body="for alice"))
    assert bodies(replies, 1) == ["for alice"]
    with pytest.raises(LinkDetached, match="CF-BUS-123"):
        running.connect("carol").create_sender(replies.link.remote_source.address)


def test_a_node_lives_as_long_as_the_link_that_asked_for_it(running: Wire) -> None:
    client = running.connect("alice")
    making = client.create_sender(None, name="making", options=DynamicTarget("temporary-queue"))
    address = making.link.remote_target.address
    client.create_receiver(address, credit=1)
    making.close()
    assert running.bus.engine.destinations.temporary(address) is None


def test_a_subscriber_who_loses_the_right_loses_the_link(running: Wire) -> None:
    from dataclasses import replace

    client = running.connect("bob")
    client.create_receiver("news", credit=5)
    settings = running.bus.settings
    news = replace(settings.destinations["news"], inherits=False)
    running.bus.reconfigure(replace(settings, destinations={**settings.destinations, "news": news}))
    with pytest.raises(LinkDetached, match="CF-BUS-021"):
        client.wait(lambda: False, timeout=10)


def refused_to_delete(running: Wire, user: str, container: str, name: str) -> Any:
    """Name a subscription without a source, as who deletes it does; the refusal that the link gets."""
    client = connect(running, user, container)
    link = client.container.create_receiver(client.conn, name=name, options=WithoutSource())
    with pytest.raises(LinkDetached) as refused:
        client.wait(lambda: False, timeout=10)
    assert link.remote_source.type == Terminus.UNSPECIFIED
    client.close()
    return refused.value


def test_a_subscription_in_use_is_not_deleted_and_whoever_wants_to_is_told_at_once(running: Wire) -> None:
    user = connect(running, "bob", "office").create_receiver("news", name="daily", credit=5, options=Durable())
    refused = refused_to_delete(running, "bob", "office", "daily")
    assert "CF-BUS-190" in str(refused)
    assert refused.condition == "amqp:precondition-failed"
    publish(running, "still comes")
    assert bodies(user, 1) == ["still comes"]


def test_somebody_elses_subscription_is_neither_deleted_nor_shown(running: Wire) -> None:
    connect(running, "bob", "office").create_receiver("news/sports", name="daily", options=Durable()).connection.close()
    refused = refused_to_delete(running, "carol", "office", "daily")
    assert "CF-BUS-187" in str(refused)
    assert refused.condition == "amqp:unauthorized-access"
    assert "sports" not in str(refused)
    assert subscriptions(running) == ["office:daily"]


def test_to_unsubscribe_from_what_is_not_there_is_not_found(running: Wire) -> None:
    assert refused_to_delete(running, "bob", "office", "weekly").condition == "amqp:not-found"
