"""Links to a broker of another make: RabbitMQ with its plugin for AMQP 1.0 (BUS-9, BUS-14)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_broker_links import ALIASES, Site, linked, read, settings, write
from support_bus import REALM, FakeIdentity, World, running, start_world
from support_network_links import Cutter
from support_rabbitmq import DEAD, LETTERS, REPLIES, RabbitMQ, missing_part
from support_servers import missing
from support_wire import require_proton

from connector.errors import ConfigError
from connector.spi import UNAUTHENTICATED, Message, UserPrincipal
from connector_bus.adapter.configuration import read_buses

pytestmark = pytest.mark.amqp
require_proton()


@pytest.fixture(scope="module")
def rabbitmq() -> Iterator[RabbitMQ]:
    lacking = missing_part()
    if lacking is not None:
        missing(lacking)
    with RabbitMQ() as broker:
        yield broker


@pytest.fixture(autouse=True)
def emptied(request: pytest.FixtureRequest) -> None:
    """Nothing is left over of the test before."""
    if "rabbitmq" in request.fixturenames:
        broker = request.getfixturevalue("rabbitmq")
        for queue in (LETTERS, REPLIES, DEAD):
            read(broker, queue, pause=0.5)


# --- sending ----------------------------------------------------------------------------------------------------------


def test_a_message_reaches_a_queue_of_the_broker_whole_and_names_nobody(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port) as here:
        here.send("alice", f"{LETTERS}@rabbit", "hello", properties={"day": "Monday"}, correlation_id="c-1")
        (letter,) = read(rabbitmq, LETTERS, 1)
        assert (letter.body, dict(letter.properties), letter.correlation_id) == ("hello", {"day": "Monday"}, "c-1")
        assert not letter.user_id
        shown = here.link("rabbit")
        assert (shown["state"], shown["sent"], shown["waiting"]) == ("connected", 1, 0)
        assert (shown["transport"], shown["endpoint"]) == ("amqp", f"127.0.0.1:{rabbitmq.port}")


def test_the_order_is_kept_over_several_batches_and_queues(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port) as here:
        with here.connect("alice") as connection:
            for number in range(150):
                connection.send(f"{(LETTERS, REPLIES)[number % 2]}@rabbit", number)
        here.until(lambda: here.link("rabbit")["sent"] == 150)
        assert [each.body for each in read(rabbitmq, LETTERS, 75)] == list(range(0, 150, 2))
        assert [each.body for each in read(rabbitmq, REPLIES, 75)] == list(range(1, 150, 2))


def test_the_outbound_user_is_whom_the_broker_is_told(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port, outbound_user="server") as here:
        here.send("alice", f"{LETTERS}@rabbit", "hello")
        assert [bytes(each.user_id) for each in read(rabbitmq, LETTERS, 1)] == [b"server"]


def test_what_a_client_of_ours_has_sent_names_it_no_more_and_is_else_the_same() -> None:
    from proton import Message as Wire
    from proton import symbol

    from connector_bus.chains.message_codec import encoded_for_broker
    from connector_bus.store.amqp_content import without_hop_sections
    from connector_bus.store.content import Content, ContentKind
    from connector_bus.store.record import StoredMessage

    sent = Wire(
        body={"a": [1, 2.5]},
        id="m-1",
        user_id=b"alice",
        subject="s",
        reply_to="r",
        correlation_id="c",
        properties={"p": 1},
    )
    sent.content_type, sent.annotations = "text/plain", {symbol("x-opt-a"): 1}
    bare = Content(ContentKind.AMQP, without_hop_sections(bytes(sent.encode())))
    got = Wire()
    got.decode(encoded_for_broker(StoredMessage(1, Message(destination="q"), bare), None, 0.0))
    assert not got.user_id
    for name in ("body", "id", "subject", "reply_to", "correlation_id", "properties", "content_type", "annotations"):
        assert getattr(got, name) == getattr(sent, name), name
    got.decode(encoded_for_broker(StoredMessage(1, Message(destination="q"), bare), "server", 0.0))
    assert bytes(got.user_id) == b"server"


def test_who_may_not_send_to_the_broker_is_told_in_the_call(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    from connector.errors import AccessDenied

    with linked(tmp_path, rabbitmq.port) as here, pytest.raises(AccessDenied, match="CF-BUS-124"):
        here.send("bob", f"{LETTERS}@rabbit", "hello")


def test_what_the_broker_has_no_place_for_is_an_exception_here(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port) as here:
        here.send("alice", "/exchange/nowhere/k@rabbit", "lost?")
        here.until(lambda: bool(here.exceptions()))
        (failed,) = here.exceptions()
        told = failed.properties
        assert (failed.body, told["exception_reason"]) == ("lost?", "CF-LINK-443")
        assert (told["exception_stage"], told["exception_link"]) == ("sending", "rabbit")
        assert told["exception_destination"] == "/exchange/nowhere/k@rabbit"
        assert told["exception_identity"] == str(UserPrincipal("alice", REALM))
        here.send("alice", f"{LETTERS}@rabbit", "the next one")
        here.until(lambda: here.link("rabbit")["sent"] == 1)
        assert [each.body for each in read(rabbitmq, LETTERS, 1)] == ["the next one"]


def test_without_exception_destination_the_link_waits(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port, exception_destination="none") as here:
        here.send("alice", "/exchange/nowhere/k@rabbit", "lost?")
        here.until(lambda: here.link("rabbit")["state"] == "blocked")
        shown = here.link("rabbit")
        assert (shown["code"], shown["waiting"], here.exceptions()) == ("CF-LINK-443", 1, [])


def test_a_wrong_password_is_refused_and_in_no_text(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with running(tmp_path, {"britain": settings(rabbitmq.port)}, aliases={"link": ("server", "guessed")}) as world:
        here = Site(world, "britain")
        here.send("alice", f"{LETTERS}@rabbit", "hello")
        here.until(lambda: here.link("rabbit")["state"] == "retrying")
        assert here.link("rabbit")["code"] in ("CF-BUS-445", "CF-BUS-201")
        assert "guessed" not in str(here.link("rabbit"))


@pytest.mark.parametrize("cut", [20, 700, 3000, 9000])
def test_a_connection_that_is_cut_loses_nothing_and_doubles_what_was_under_way_at_most(
    tmp_path: Path, rabbitmq: RabbitMQ, cut: int
) -> None:
    with Cutter(rabbitmq.port, [cut]) as way, linked(tmp_path, way.port) as here:
        with here.connect("alice") as connection:
            for number in range(100):
                connection.send(f"{LETTERS}@rabbit", number)
        here.until(lambda: here.link("rabbit")["sent"] == 100 and not here.link("rabbit")["waiting"])
        there = [each.body for each in read(rabbitmq, LETTERS)]
        assert set(there) == set(range(100))
        assert len(there) <= 100 + 64
        assert way.cuts == []


def test_a_killed_connection_is_made_anew(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port) as here:
        here.send("alice", f"{LETTERS}@rabbit", 1)
        session = here.world.adapter._buses["britain"].links.sender("rabbit")._session
        assert session is not None
        rabbitmq.kill(session._connection._socket.getsockname()[1])  # type: ignore[attr-defined]
        here.send("alice", f"{LETTERS}@rabbit", 2)
        here.until(lambda: here.link("rabbit")["sent"] == 2)
        assert {each.body for each in read(rabbitmq, LETTERS)} == {1, 2}


def test_messages_wait_for_a_broker_that_is_away(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with Cutter(1, []) as way, linked(tmp_path, way.port) as here:
        here.send("alice", f"{LETTERS}@rabbit", "late")
        shown = here.link("rabbit")
        assert (shown["state"], shown["code"], shown["waiting"]) == ("retrying", "CF-BUS-201", 1)
        assert shown["retry_in"] > 0
        way.aim(rabbitmq.port)
        here.until(lambda: here.link("rabbit")["sent"] == 1)
        assert [each.body for each in read(rabbitmq, LETTERS, 1)] == ["late"]


# --- receiving --------------------------------------------------------------------------------------------------------


def test_messages_of_the_broker_come_as_the_inbound_user(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    write(rabbitmq, LETTERS, "one", {"two": 2}, properties={"day": "Monday"}, reply_to=REPLIES)
    with linked(tmp_path, rabbitmq.port, receive={LETTERS: "inbox"}, inbound_user="bob") as here:
        here.until(lambda: len(here.peek("inbox")) == 2)
        first, second = here.peek("inbox")
        assert (first.body, second.body, dict(first.properties)) == ("one", {"two": 2}, {"day": "Monday"})
        assert first.identity == UserPrincipal("bob", REALM)
        assert first.reply_to == f"{REPLIES}@rabbit"
        here.until(lambda: here.received["received"] == 2)
        assert (here.received["state"], here.received["from"]) == ("connected", {LETTERS: "inbox"})
        here.send("alice", first.reply_to, "thanks")
        here.until(lambda: here.link("rabbit")["sent"] == 1)
        assert [each.body for each in read(rabbitmq, REPLIES, 1)] == ["thanks"]
    assert read(rabbitmq, LETTERS) == []


def test_whoever_the_broker_names_is_nobody_here(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    write(rabbitmq, LETTERS, "I am bob", user_id=b"bob")
    with linked(tmp_path, rabbitmq.port, receive={LETTERS: "inbox"}) as here:
        here.until(lambda: bool(here.exceptions()))
        (failed,) = here.exceptions()
        assert (failed.properties["exception_reason"], failed.identity) == ("CF-BUS-020", UNAUTHENTICATED)
        assert here.peek("inbox") == []


def test_what_its_user_may_not_send_is_an_exception_here(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    write(rabbitmq, LETTERS, "hush")
    with linked(tmp_path, rabbitmq.port, receive={LETTERS: "closed"}, inbound_user="bob") as here:
        here.until(lambda: bool(here.exceptions()))
        (failed,) = here.exceptions()
        assert (failed.body, failed.properties["exception_stage"]) == ("hush", "arrival")
        assert failed.properties["exception_link"] == "rabbit"


def test_what_has_no_place_stays_at_the_broker_and_comes_later(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    write(rabbitmq, LETTERS, *range(5))
    with linked(tmp_path, rabbitmq.port, receive={LETTERS: "narrow"}, inbound_user="bob") as here:
        here.until(lambda: here.received["code"] == "CF-BUS-173")
        assert [each.body for each in here.peek("narrow")] == [0, 1]
        taken: list[Any] = []

        def take() -> bool:
            with here.connect("bob") as connection:
                while (message := connection.receive("narrow", timeout=0)) is not None:
                    taken.append(message.body)
            return len(taken) >= 5

        here.until(take)
        assert taken == [0, 1, 2, 3, 4]
        assert here.exceptions() == []


def test_a_killed_receiving_connection_is_made_anew_and_nothing_is_lost(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port, receive={LETTERS: "inbox"}, inbound_user="bob") as here:
        here.until(lambda: here.received["state"] == "connected")
        inlet = here.world.adapter._buses["britain"].links._inlets["rabbit"]
        assert inlet._connection is not None
        rabbitmq.kill(inlet._connection._socket.getsockname()[1])
        write(rabbitmq, LETTERS, *range(20))
        here.until(lambda: len({each.body for each in here.peek("inbox")}) == 20)
    assert read(rabbitmq, LETTERS) == []


def test_a_source_that_may_not_be_read_is_told_of(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port, alias="confined", receive={LETTERS: "inbox"}) as here:
        here.until(lambda: here.received["code"] == "CF-LINK-445")
        assert here.received["state"] == "retrying"


def test_stopping_the_link_stops_both_ways_and_starting_it_goes_on(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    with linked(tmp_path, rabbitmq.port, receive={LETTERS: "inbox"}, inbound_user="bob") as here:
        here.until(lambda: here.received["state"] == "connected")
        here.command("link_stop", link="rabbit")
        write(rabbitmq, LETTERS, "later")
        assert (here.received["state"], here.peek("inbox")) == ("stopped", [])
        here.command("link_start", link="rabbit")
        here.until(lambda: [each.body for each in here.peek("inbox")] == ["later"])


def test_a_large_message_goes_both_ways(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    large = "x" * 3_000_000
    with linked(tmp_path, rabbitmq.port, receive={LETTERS: "inbox"}, inbound_user="bob") as here:
        here.send("alice", f"{LETTERS}@rabbit", large)
        here.until(lambda: bool(here.peek("inbox")))
        assert here.peek("inbox")[0].body == large


# --- configuration ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ({"endpoints": []}, "CF-BUS-448"),
        ({"allow_plain": False}, "CF-BUS-450"),
        ({"receive": {"there": "not-here"}}, "CF-LINK-448"),
    ],
)
def test_what_is_wrong_with_a_link_to_a_broker_is_said_at_the_start(link: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError, match=code):
        read_buses({"britain": settings(5672, **link)}, FakeIdentity())


def test_a_route_to_a_broker_ends_with_what_is_not_known(tmp_path: Path) -> None:
    world: World = start_world(tmp_path, {"britain": settings(1, enabled=False)}, aliases=ALIASES)
    try:
        here = Site(world, "britain")
        found = here.command("route", destination="q@rabbit", user="alice")
        assert [each["stage"] for each in found["stages"]] == ["sending", "unreachable"]
    finally:
        world.stop()
