"""By what a requester knows its reply: the correlation id that the request has, else its message id."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_bus import running

from connector.errors import AccessDenied, Reason
from connector.spi import Message

DENIED = Reason("CF-TESTBUS-510", "{user} is in no allowed role", "")


@pytest.mark.parametrize("given", ["c-7", None])
def test_of_a_request(given: str | None) -> None:
    assert Message(correlation_id=given, message_id="m-1").reply_correlation_id == (given or "m-1")


@pytest.mark.parametrize("given", ["c-7", None])
def test_a_handlers_reply_carries_it(tmp_path: Path, given: str | None) -> None:
    with running(tmp_path) as world:
        world.activate(lambda message: "Sunny")
        sent = world.connect("alice").send("requests", "x", reply_to="replies", correlation_id=given)
        world.works.pump()
        (reply,) = world.peek("replies")
    assert reply.correlation_id == (given or sent)


def test_a_handler_may_give_its_reply_another_one(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(lambda message: Message("Sunny", correlation_id="mine"))
        world.connect("alice").send("requests", "x", reply_to="replies", correlation_id="c-7")
        world.works.pump()
        (reply,) = world.peek("replies")
    assert reply.correlation_id == "mine"


@pytest.mark.parametrize("given", ["c-7", None])
def test_a_reply_by_hand_carries_it(tmp_path: Path, given: str | None) -> None:
    with running(tmp_path) as world, world.connect("alice") as connection:
        sent = connection.send("requests", "x", reply_to="replies", correlation_id=given)
        with world.connect("bob") as other:
            request = other.receive("requests", timeout=0)
            assert request is not None
            other.reply(request, "Sunny")
        (reply,) = world.peek("replies")
    assert reply.correlation_id == (given or sent)


@pytest.mark.parametrize("given", ["c-7", None])
def test_a_fault_carries_it(tmp_path: Path, given: str | None) -> None:
    def denying(message: Message) -> None:
        raise AccessDenied(DENIED, user="alice")

    with running(tmp_path) as world:
        world.activate(denying)
        sent = world.connect("alice").send("requests", "x", reply_to="replies", correlation_id=given)
        world.works.pump()
        (fault,) = world.peek("replies")
    assert fault.correlation_id == (given or sent)
