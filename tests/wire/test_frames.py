"""What is said frame by frame, as clients of other makes rely on it (AMQP 1.0, part 2; CHAIN-1)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_container import until
from support_raw_wire import (
    ACCEPTED,
    ATTACH,
    BEGIN,
    CLOSE,
    DETACH,
    DISPOSITION,
    END,
    FLOW,
    OPEN,
    RECEIVER,
    SENDER,
    SOURCE,
    TARGET,
    TRANSFER,
    RawClient,
    attaching,
    beginning,
    described,
    frame,
    opening,
    raw_client,
    sign_on,
)
from support_wire import Wire, receive, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message, symbol, ubyte, uint  # noqa: E402

EXTRA = '[chains.Quick]\nport = 0\nidle_timeout = "400ms"\n'


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path, extra=EXTRA) as started:
        yield started


def source(address: str | None, *more: Any) -> Any:
    return described(SOURCE, address, *more)


def target(address: str | None) -> Any:
    return described(TARGET, address)


def begun(user: str = "alice") -> tuple[bytes, ...]:
    return sign_on(user), opening(), beginning()


def test_a_client_that_waits_for_no_answer_is_answered_in_order(running: Wire) -> None:
    link = attaching("mine", SENDER, source=source("me"), target=target("requests"))
    with raw_client(running.port(), *begun(), link) as client:
        client.hear(FLOW)
        assert [each.code for each in client.heard if each.kind == 0] == [OPEN, BEGIN, ATTACH, FLOW]
        flow = client.heard[-1]
        assert flow.field(6) > 0  # credit


def test_a_client_may_write_byte_by_byte(running: Wire) -> None:
    with raw_client(running.port()) as client:
        for byte in b"".join(begun()):
            client.say(bytes((byte,)))
        assert client.hear(BEGIN).field(0) == 0


def test_the_open_says_who_the_server_is_and_what_it_bears(running: Wire) -> None:
    with raw_client(running.port(), sign_on("alice"), opening()) as client:
        said = client.hear(OPEN)
    assert (said.field(0), said.field(2), said.field(3)) == ("weather", 65536, 254)
    assert said.field(4) == 60_000 // 2  # half of what it bears, as the standard advises (2.4.5)
    offered = {str(each) for each in said.field(7).elements}
    assert offered == {"ANONYMOUS-RELAY", "DELAYED_DELIVERY", "SHARED-SUBS", "sole-connection-for-container"}
    assert said.field(9)["bus"] == "weather"


@pytest.mark.parametrize("role", [SENDER, RECEIVER], ids=["sender", "receiver"])
def test_a_link_without_a_name_ends_the_connection_with_the_reason(running: Wire, role: bool) -> None:
    nameless: Any = None
    # Said all at once, and without a terminus, as whoever deletes a subscription does.
    with raw_client(running.port(), *begun(), attaching(nameless, role)) as client:
        assert "decode-error" in str(client.hear(CLOSE).fields)


def next_look(running: Wire) -> float:
    """Seconds until the server looks again after the one client that there is."""

    async def due() -> float:
        (client,) = running.listeners._clients
        return float(client.stage._ticking.when() - asyncio.get_running_loop().time())

    return asyncio.run_coroutine_threadsafe(due(), running.listeners._loop).result()


def test_a_client_that_wants_to_hear_something_now_and_then_gets_empty_frames(running: Wire) -> None:
    with raw_client(running.port(), sign_on("alice"), opening(idle=400)) as client:
        client.hear(OPEN)
        client.hear(None, count=5)
        assert next_look(running) <= 0.4  # else what it hears are those for the server's own idea of silence
        client.say(frame(CLOSE))
        assert client.to_the_end()[-1].code == CLOSE


def test_a_client_that_falls_silent_is_told_why_it_is_taken_for_dead(running: Wire) -> None:
    with raw_client(running.port("Quick"), sign_on("alice"), opening()) as client:
        last = client.to_the_end()[-1]
    assert last.code == CLOSE
    assert str(last.field(0).value[0]) == "amqp:resource-limit-exceeded"


def test_links_are_answered_with_what_was_asked_for(running: Wire) -> None:
    wanted = described(
        SOURCE, "requests", uint(0), symbol("link-detach"), uint(7), False, None, symbol("move"), None, None
    )
    sending = attaching("a name, of any kind", SENDER, source=source("where I am"), target=target("requests"))
    taking = attaching("another", RECEIVER, source=wanted, target=target("where I am"), handle=1)
    with raw_client(running.port(), *begun(), sending, taking) as client:
        client.hear(ATTACH, count=2)
        first, second = client.all(ATTACH)
    assert (first.field(0), first.field(2)) == ("a name, of any kind", RECEIVER)
    assert (first.field(5).value[0], first.field(6).value[0]) == ("where I am", "requests")
    assert (second.field(0), second.field(2)) == ("another", SENDER)
    assert second.field(5).value[0] == "requests"
    assert [str(each) for each in (second.field(5).value[2], second.field(5).value[6])] == ["link-detach", "move"]
    assert second.field(5).value[3] == 7
    assert second.field(6).value[0] == "where I am"
    assert second.field(9) == 0  # initial-delivery-count, which whoever sends has to say


REFUSALS = [
    pytest.param("bob", SENDER, "private", None, "amqp:unauthorized-access", "CF-BUS-020", id="may not send"),
    pytest.param("alice", RECEIVER, "private", None, "amqp:unauthorized-access", "CF-BUS-021", id="may not receive"),
    pytest.param("alice", RECEIVER, "private", "copy", "amqp:unauthorized-access", "CF-BUS-022", id="may not browse"),
    pytest.param("alice", SENDER, "nowhere", None, "amqp:not-found", "CF-BUS-030", id="sends nowhere"),
    pytest.param("alice", RECEIVER, "nowhere", None, "amqp:not-found", "CF-BUS-030", id="receives from nowhere"),
]


@pytest.mark.parametrize(("user", "role", "address", "mode", "condition", "code"), REFUSALS)
def test_a_refused_link_is_attached_without_terminus_and_detached_with_the_reason_at_once(
    running: Wire, user: str, role: bool, address: str, mode: str | None, condition: str, code: str
) -> None:
    end = described(SOURCE, address, None, None, None, None, None, symbol(mode)) if mode else source(address)
    link = attaching(
        "refused",
        role,
        source=source("me") if role is SENDER else end,
        target=target(address) if role is SENDER else target("me"),
    )
    with raw_client(running.port(), *begun(user)) as client:
        client.hear(BEGIN)
        client.say(link)
        detached = client.hear(DETACH)
        attached = client.hear(ATTACH)
        assert attached.field(6 if role is SENDER else 5) is None
        assert detached.turn == attached.turn  # clients that have to wait for the second give up
        assert detached.field(1) is True
        assert str(detached.field(2).value[0]) == condition
        assert code in detached.field(2).value[1]
        client.say(attaching("after", SENDER, source=source("me"), target=target("requests"), handle=1))
        assert client.hear(ATTACH, count=2).field(0) == "after"  # in the same session


def test_a_refused_dynamic_link_leaves_its_session_usable(tmp_path: Path) -> None:
    prefixes = (
        '[buses.weather.temporary_prefixes.ours]\ninherit_defaults = false\nroles = { creator = ["user:alice"] }\n'
    )
    properties = {symbol("x-opt-prefix"): "ours"}
    node = described(TARGET, None, None, None, None, True, properties, symbol("temporary-queue"))
    with (
        wire(tmp_path, extra=prefixes) as running,
        raw_client(
            running.port(), *begun("carol"), attaching("tmp", SENDER, source=source("me"), target=node)
        ) as client,
    ):
        detached = client.hear(DETACH)
        assert client.hear(ATTACH).field(6) is None
        assert str(detached.field(2).value[0]) == "amqp:unauthorized-access"
        assert "CF-BUS-122" in detached.field(2).value[1]
        client.say(attaching("after", SENDER, source=source("me"), target=target("requests"), handle=1))
        assert client.hear(ATTACH, count=2).field(0) == "after"
        assert not client.all(END)


def taking(client: RawClient, running: Wire, bodies: list[str], *, durable: bool = False) -> None:
    """Have these sent to a link on `requests` that the client then has open."""
    sender = running.connect("alice").create_sender("requests")
    for body in bodies:
        sender.send(Message(body=body, durable=durable))
    client.say(attaching("taking", RECEIVER, source=source("requests"), target=target("me")))
    client.hear(ATTACH)
    client.say(frame(FLOW, uint(0), uint(1000), uint(0), uint(1000), uint(0), uint(0), uint(len(bodies))))
    client.hear(TRANSFER, count=len(bodies))


def test_one_disposition_settles_all_from_the_first_to_the_last(running: Wire) -> None:
    with raw_client(running.port(), *begun("bob")) as client:
        client.hear(BEGIN)
        taking(client, running, ["one", "two", "three", "four"])
        client.say(frame(DISPOSITION, RECEIVER, uint(0), uint(2), True, described(ACCEPTED)))
        queue = running.bus.engine.destinations.get("requests").queue
        until(lambda: queue.counts() == (0, 1))
    assert receive(running.connect("bob"), "requests").body == "four"


def test_an_accepted_message_that_is_not_settled_by_the_client_is_settled_by_the_server(running: Wire) -> None:
    with raw_client(running.port(), *begun("bob")) as client:
        client.hear(BEGIN)
        taking(client, running, ["one"])
        client.say(frame(DISPOSITION, RECEIVER, uint(0), uint(0), False, described(ACCEPTED)))
        said = client.hear(DISPOSITION)
        assert (said.field(0), said.field(1), said.field(3)) == (SENDER, 0, True)


@pytest.mark.parametrize("durable", [False, True], ids=["in memory", "stored"])
def test_whoever_accepts_a_message_again_and_settles_it_meanwhile_is_answered_once_and_goes_on(
    running: Wire, durable: bool
) -> None:
    def accept(number: int, *, settled: bool) -> bytes:
        return frame(DISPOSITION, RECEIVER, uint(number), uint(number), settled, described(ACCEPTED))

    with raw_client(running.port(), *begun("bob")) as client:
        client.hear(BEGIN)
        taking(client, running, ["one", "two", "three"], durable=durable)
        client.say(
            accept(0, settled=False), accept(0, settled=False), accept(0, settled=True), accept(1, settled=False)
        )
        client.hear_until(lambda: any(each.field(1) == 1 or each.field(2) == 1 for each in client.all(DISPOSITION)))
        client.say(accept(0, settled=True), accept(2, settled=False))
        client.hear_until(lambda: any(2 in (each.field(1), each.field(2)) for each in client.all(DISPOSITION)))
        answered = [
            number
            for each in client.all(DISPOSITION)
            for number in range(each.field(1), (each.field(2) or each.field(1)) + 1)
        ]
        assert len(answered) == len(set(answered))
        assert running.bus.engine.destinations.get("requests").queue.counts() == (0, 0)


def test_whoever_drains_gets_all_there_is_and_is_then_told_that_it_was_all(running: Wire) -> None:
    sender = running.connect("alice").create_sender("requests")
    for number in range(3):
        sender.send(Message(body=number))
    with raw_client(running.port(), *begun("bob")) as client:
        client.hear(BEGIN)
        client.say(attaching("taking", RECEIVER, source=source("requests"), target=target("me")))
        client.hear(ATTACH)
        client.say(frame(FLOW, uint(0), uint(1000), uint(0), uint(1000), uint(0), uint(0), uint(10), None, True))
        client.hear_until(lambda: any(each.field(8) for each in client.all(FLOW)))
        codes = [each.code for each in client.heard if each.code in (TRANSFER, FLOW)]
        assert codes == [TRANSFER] * 3 + [FLOW]
        told = client.heard[-1]
        assert (told.field(5), told.field(6), told.field(8)) == (10, 0, True)  # delivery-count advanced, no credit left


def test_what_was_sent_in_several_frames_comes_whole_and_is_accepted_once(running: Wire) -> None:
    data = bytes(Message(body="a" * 3000).encode())
    with raw_client(running.port(), *begun()) as client:
        client.say(attaching("sending", SENDER, source=source("me"), target=target("requests")))
        client.hear(FLOW)
        client.say(frame(TRANSFER, uint(0), uint(0), b"tag", uint(0), False, True, payload=data[:1000]))
        client.say(frame(TRANSFER, uint(0), None, None, None, None, True, payload=data[1000:2000]))
        client.say(frame(TRANSFER, uint(0), None, None, None, None, False, payload=data[2000:]))
        said = client.hear(DISPOSITION)
        assert (said.field(1), said.field(3)) == (0, True)
        assert int(said.field(4).descriptor) == ACCEPTED
    assert receive(running.connect("bob"), "requests").body == "a" * 3000


@pytest.mark.parametrize("settled", [True, False])
def test_whoever_wants_no_answer_gets_none_and_whoever_does_gets_it_settled(running: Wire, settled: bool) -> None:
    data = bytes(Message(body="x").encode())
    with raw_client(running.port(), *begun()) as client:
        client.say(attaching("sending", SENDER, source=source("me"), target=target("requests")))
        client.hear(FLOW)
        client.say(frame(TRANSFER, uint(0), uint(0), b"tag", uint(0), settled, payload=data))
        client.say(frame(TRANSFER, uint(0), uint(1), b"end", uint(0), False, payload=data))
        said = client.hear(DISPOSITION)
    assert said.field(1) == (1 if settled else 0)
    assert [receive(running.connect("bob"), "requests").body for _ in range(2)] == ["x", "x"]


def test_sessions_and_connections_end_when_the_client_says_so(running: Wire) -> None:
    error = described(0x1D, symbol("amqp:internal-error"), "the client's own affair")
    with raw_client(running.port(), *begun()) as client:
        client.say(frame(END))
        assert client.hear(END).field(0) is None
        client.say(frame(CLOSE, error))
        assert client.to_the_end()[-1].code == CLOSE


def test_a_link_for_taking_what_is_settled_already_gets_it_settled(running: Wire) -> None:
    running.connect("alice").create_sender("requests").send(Message(body="x"))
    link = frame(ATTACH, "quick", uint(0), RECEIVER, ubyte(1), None, source("requests"), target("me"))
    with raw_client(running.port(), *begun("bob"), link) as client:
        assert client.hear(ATTACH).field(3) == 1
        client.say(frame(FLOW, uint(0), uint(1000), uint(0), uint(1000), uint(0), uint(0), uint(1)))
        assert client.hear(TRANSFER).field(4) is True
    until(lambda: running.bus.engine.destinations.get("requests").queue.counts() == (0, 0))
