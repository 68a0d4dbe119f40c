"""A client's id is in use once, where the client asks for that: as JMS has it (JMS 2.0, 6.1.2; CHAIN-1)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_wire import Wire, first_words, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException, symbol  # noqa: E402
from proton.reactor import Container  # noqa: E402

ALONE = "sole-connection-for-container"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path, extra="[buses.other]\nsecurity = false\n[chains.Second]\nport = 0\n") as started:
        yield started


def connect(running: Wire, client_id: str, user: str = "alice", *, alone: bool = True, **options: Any) -> Any:
    own = Container()
    own.container_id = client_id
    options.setdefault("virtual_host", "weather")
    if alone:
        options["desired_capabilities"] = [symbol(ALONE)]
    return running.connect(user, container=own, **options)


def test_the_server_says_that_it_looks_after_that(running: Wire) -> None:
    assert ALONE in {str(each) for each in connect(running, "till").conn.remote_offered_capabilities}


@pytest.mark.parametrize("chain", ["InboundBasicMessaging", "Second"])
def test_a_second_client_of_the_same_id_is_refused_with_the_field_that_is_at_fault(running: Wire, chain: str) -> None:
    first = connect(running, "till")
    with pytest.raises(ConnectionException, match="CF-BUS-500") as refused:
        connect(running, "till", chain=chain)
    assert "amqp:invalid-field" in str(refused.value)
    assert "container-id" in str(refused.value)
    first.create_sender("requests").close()  # goes on


def test_an_id_is_free_again_when_its_client_has_gone(running: Wire) -> None:
    connect(running, "till").close()
    with socket.create_connection(("127.0.0.1", running.port()), 10) as lost:
        lost.sendall(first_words("alice", "till", "weather", ALONE))
        said = b""
        while b"weather" not in said:
            said += lost.recv(4096)
        with pytest.raises(ConnectionException, match="CF-BUS-500"):
            connect(running, "till")
    connect(running, "till")  # the other one has gone without a word


@pytest.mark.parametrize(
    "other",
    [{"client_id": "other"}, {"user": "bob"}, {"alone": False}, {"virtual_host": "other"}],
    ids=["another id", "another user", "who does not ask for it", "another bus"],
)
def test_nobody_else_is_kept_out(running: Wire, other: dict[str, Any]) -> None:
    connect(running, "till")
    wanted: dict[str, Any] = {"client_id": "till", **other}
    connect(running, **wanted)


def figures(running: Wire) -> dict[str, float]:
    """Of the chain: who was let in and who was not, by why."""
    return {
        str(each.attributes.get("reason", each.name)): each.value
        for each in running.listeners.measurements()
        if each.attributes["messaging.chain"] == "InboundBasicMessaging"
    }


def test_whoever_is_refused_for_its_id_counts_as_refused_and_not_as_let_in(running: Wire) -> None:
    connect(running, "till")
    for _ in range(2):
        with pytest.raises(ConnectionException, match="CF-BUS-500"):
            connect(running, "till")
    counted = figures(running)
    assert (counted["messaging.chain.accepted"], counted["client-id"]) == (1, 2)


def test_an_id_is_free_at_once_where_something_else_stood_against_its_client(tmp_path: Path) -> None:
    with wire(tmp_path, extra="[chains.One]\nport = 0\nmax_user_connections = 1\n") as running:
        connect(running, "other", chain="One")
        with pytest.raises(ConnectionException, match="CF-BUS-305"):
            connect(running, "till", chain="One")
        connect(running, "till")


def test_whoever_was_refused_takes_nothing_along(running: Wire) -> None:
    first = connect(running, "till")
    for _ in range(2):
        with pytest.raises(ConnectionException, match="CF-BUS-500"):
            connect(running, "till")
    first.close()
    connect(running, "till")
