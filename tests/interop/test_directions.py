"""A client that nobody here wrote is sent to the engine by a server that has none (CHAIN-8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_clients import Client, Server
from support_interop import Place, built
from support_wire import wire

pytestmark = pytest.mark.amqp


def test_a_jms_client_goes_where_it_is_sent(
    place: Place, clients: dict[str, Client], queue: str, tmp_path: Path
) -> None:
    jms = built("jms", clients)
    member = f"amqp://127.0.0.1:{place.plain.port}/InboundBasicMessaging"
    with wire(tmp_path, bus=f'engine = false\nmembers = ["{member}"]\n', name="boot") as boot:
        server = Server(boot.port())
        assert "redirect" in jms.run(server, "alice", "send", queue, "hello").refusal.lower()
        follower = jms.told(WIRE_FOLLOW="yes")
        follower.run(server, "alice", "send", queue, "hello").succeeded()
    assert follower.run(place.plain, "alice", "receive", queue, "1").messages == ["hello"]
