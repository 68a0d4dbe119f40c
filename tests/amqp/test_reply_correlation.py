"""By what a requester elsewhere knows its reply: the correlation id that the request has, else its message id."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support_amqp import Client
from support_amqp_activations import serving
from support_wire import Wire

from connector.errors import MessagingError
from connector.spi import Message

pytestmark = pytest.mark.amqp


@pytest.mark.parametrize("transacted", [False, True])
@pytest.mark.parametrize("given", ["c-7", None])
def test_a_handlers_reply_carries_it(
    bus: Wire, shop: Client, tmp_path: Path, given: str | None, *, transacted: bool
) -> None:
    with serving(tmp_path / "shop", bus.port(), lambda *_: "Sunny", transacted=transacted), shop.connect() as asking:
        sent = asking.send("requests", "?", reply_to="narrow", correlation_id=given)
        reply = asking.receive("narrow", 20)
    assert reply is not None
    assert (reply.body, reply.correlation_id) == ("Sunny", given or sent)


@pytest.mark.parametrize("given", ["c-7", None])
def test_a_request_finds_its_reply_with_and_without_one(
    bus: Wire, shop: Client, tmp_path: Path, given: str | None
) -> None:
    with serving(tmp_path / "shop", bus.port(), lambda *_: "Sunny"), shop.connect() as asking:
        reply = asking.request("requests", Message("?", correlation_id=given), timeout=20)
    assert reply.body == "Sunny"


@pytest.mark.parametrize("answered_by", ["correlation_id", "message_id"])
def test_a_request_finds_a_reply_by_either(bus: Wire, shop: Client, answered_by: str) -> None:
    def serve() -> None:
        with bus.in_process("bob") as serving_by_hand:
            request = serving_by_hand.receive("requests", timeout=20)
            assert request is not None
            # What a late reply to another request would look like comes first, and is passed over.
            serving_by_hand.send(request.reply_to, "late", correlation_id="of another request")
            serving_by_hand.send(request.reply_to, "Sunny", correlation_id=getattr(request, answered_by))

    server = threading.Thread(target=serve)
    server.start()
    try:
        with shop.connect() as asking:
            reply: Any = asking.request("requests", Message("?", correlation_id="c-7"), timeout=20)
    finally:
        server.join()
    assert reply.body == "Sunny"


def test_a_reply_to_something_else_is_none(bus: Wire, shop: Client) -> None:
    def serve() -> None:
        with bus.in_process("bob") as serving_by_hand:
            request = serving_by_hand.receive("requests", timeout=20)
            assert request is not None
            serving_by_hand.send(request.reply_to, "late", correlation_id="of another request")

    server = threading.Thread(target=serve)
    server.start()
    try:
        with shop.connect() as asking, pytest.raises(MessagingError, match="CF-AMQP-036"):
            asking.request("requests", "?", timeout=1)
    finally:
        server.join()
