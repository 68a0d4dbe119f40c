"""The admin socket of a running container, with real sockets and threads (CONF-7)."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from support_admin import MARKER, AdminWorld

from connector.admin import client as client_module
from connector.admin import endpoint as endpoint_module
from connector.admin.address import LONGEST_PATH, recorded_path
from connector.admin.client import AdminClient
from connector.admin.dispatch import Dispatcher
from connector.admin.endpoint import AdminEndpoint
from connector.admin.failure import RemoteFailure
from connector.admin.operations import Login
from connector.admin.wire import ProtocolError, is_trusted_peer, read_line
from connector.errors import AccessDenied, ConnectionFailed
from connector.spi import Secret

BOSS = Login("boss", Secret(MARKER))


@pytest.fixture
def world(tmp_path: Path) -> AdminWorld:
    return AdminWorld(tmp_path)


@pytest.fixture
def endpoint(world: AdminWorld, tmp_path: Path) -> Iterator[AdminEndpoint]:
    with closing(AdminEndpoint(tmp_path, Dispatcher(world.target, world.container.audit))) as serving:
        yield serving


def connect(folder: Path) -> AdminClient:
    client = AdminClient.find(folder)
    assert client is not None
    return client


def raw(endpoint: AdminEndpoint, line: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(endpoint.path))
        with suppress(BrokenPipeError):
            connection.sendall(line)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    plain: dict[str, Any] = json.loads(answer)
    return plain


def test_a_request_is_answered_over_the_socket(endpoint: AdminEndpoint, tmp_path: Path) -> None:
    with connect(tmp_path) as client:
        assert client.call("status", {}, BOSS)["name"] == "weather"


def test_the_socket_is_the_owners_alone(endpoint: AdminEndpoint) -> None:
    assert stat.S_IMODE(endpoint.path.stat().st_mode) == 0o600


def test_a_refusal_arrives_with_code_text_action_and_exit_code(endpoint: AdminEndpoint, tmp_path: Path) -> None:
    with connect(tmp_path) as client, pytest.raises(RemoteFailure) as caught:
        client.call("status", {}, None)
    failure = caught.value.failure
    assert (failure.code, failure.exit_code) == ("CF-ADM-020", 1)
    assert "--login" in failure.action


def test_where_no_container_runs_there_is_no_client(tmp_path: Path) -> None:
    assert AdminClient.find(tmp_path) is None


def test_a_socket_that_a_killed_container_left_behind_counts_as_none(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(recorded_path(tmp_path)))
    assert AdminClient.find(tmp_path) is None


def test_a_new_endpoint_takes_the_place_of_a_stale_socket(world: AdminWorld, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(recorded_path(tmp_path)))
    with closing(AdminEndpoint(tmp_path, Dispatcher(world.target, world.container.audit))):
        with connect(tmp_path) as client:
            assert client.call("status", {}, BOSS)["name"] == "weather"


def test_a_closed_endpoint_leaves_nothing_behind_and_can_be_closed_again(
    endpoint: AdminEndpoint, tmp_path: Path
) -> None:
    endpoint.close()
    endpoint.close()
    assert list(tmp_path.iterdir()) == []
    assert AdminClient.find(tmp_path) is None


def test_in_a_deep_folder_the_socket_goes_to_a_private_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * LONGEST_PATH)
    deep.mkdir()
    world = AdminWorld(deep)
    with closing(AdminEndpoint(deep, Dispatcher(world.target, world.container.audit))) as serving:
        assert len(os.fsencode(serving.path)) <= LONGEST_PATH
        assert stat.S_IMODE(serving.path.parent.stat().st_mode) == 0o700
        with connect(deep) as client:
            assert client.call("status", {}, BOSS)["name"] == "weather"
        private = serving.path.parent
    assert not private.exists()
    assert list(deep.iterdir()) == []


def test_a_process_of_another_user_is_not_served(
    endpoint: AdminEndpoint, world: AdminWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "peer_uid", lambda _connection: os.geteuid() + 4711)
    assert raw(endpoint, b"")["error"]["code"] == "CF-ADM-052"
    assert world.container.audit.events == ()


def test_a_client_tells_nothing_to_a_socket_of_another_user(
    endpoint: AdminEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "peer_uid", lambda _connection: os.geteuid() + 4711)
    with pytest.raises(AccessDenied) as caught:
        AdminClient.find(tmp_path)
    assert caught.value.code == "CF-ADM-053"


def test_own_user_and_root_are_trusted_and_others_are_not() -> None:
    assert is_trusted_peer(os.geteuid())
    assert is_trusted_peer(0)
    assert is_trusted_peer(None)
    assert not is_trusted_peer(os.geteuid() + 4711)


@pytest.mark.parametrize("line", [b"{nonsense\n", b"[]\n", b"\xff\xfe\n", b'"text"\n', b"[" * 100_000 + b"\n"])
def test_nonsense_is_refused_and_the_endpoint_lives_on(endpoint: AdminEndpoint, tmp_path: Path, line: bytes) -> None:
    assert raw(endpoint, line)["error"]["code"] == "CF-ADM-050"
    with connect(tmp_path) as client:
        assert client.call("status", {}, BOSS)["name"] == "weather"


def test_nonsense_is_not_quoted_back(endpoint: AdminEndpoint, caplog: pytest.LogCaptureFixture) -> None:
    answer = raw(endpoint, f'{{"password": "{MARKER}"\n'.encode())
    assert MARKER not in repr(answer) + caplog.text


def test_a_request_without_end_is_refused(endpoint: AdminEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "REQUEST_LIMIT", 1000)
    assert raw(endpoint, b"x" * 1001)["error"]["code"] == "CF-ADM-051"


def test_a_client_does_not_even_send_what_is_too_long(
    endpoint: AdminEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "REQUEST_LIMIT", 1000)
    with connect(tmp_path) as client, pytest.raises(ProtocolError) as caught:
        client.call("bus.send", {"body": "x" * 1001}, BOSS)
    assert caught.value.code == "CF-ADM-051"


def test_a_container_that_goes_away_without_an_answer_is_said_so(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(recorded_path(tmp_path)))
        listener.listen()
        hang_up = threading.Thread(target=lambda: listener.accept()[0].close())
        hang_up.start()
        with connect(tmp_path) as client, pytest.raises(ConnectionFailed) as caught:
            client.call("status", {}, None)
        hang_up.join()
    assert (caught.value.code, caught.value.exit_code) == ("CF-ADM-054", 3)


def test_many_requests_at_once_are_all_answered(endpoint: AdminEndpoint, tmp_path: Path) -> None:
    answers: list[Any] = []

    def ask() -> None:
        with connect(tmp_path) as client:
            answers.append(client.call("explain", {"reference": "r"}, BOSS)["answer"])

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["ledger"] * 50


def test_one_request_does_not_hold_up_another(
    endpoint: AdminEndpoint, world: AdminWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(*_arguments: Any, **_options: Any) -> Any:
        entered.set()
        assert release.wait(10)
        raise RuntimeError("done")

    monkeypatch.setattr(world.container, "test_connection", slow)

    def ask() -> None:
        with connect(tmp_path) as client, pytest.raises(RemoteFailure):
            client.call("test-connection", {"reference": "r"}, BOSS)

    waiting = threading.Thread(target=ask)
    waiting.start()
    assert entered.wait(10)
    with connect(tmp_path) as client:
        assert client.call("status", {}, BOSS)["name"] == "weather"
    release.set()
    waiting.join()


def test_a_receive_whose_client_has_gone_ends_and_takes_no_message(
    endpoint: AdminEndpoint, world: AdminWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    gone = threading.Event()

    class Patient:
        def __enter__(self) -> Patient:
            return self

        def __exit__(self, *_exception: object) -> None:
            pass

        def receive(self, _destination: str, timeout: float) -> None:
            waits.append(timeout)
            client.close()
            gone.set()

    monkeypatch.setattr(world.container, "bus_connection", lambda *_arguments: Patient())
    client = connect(tmp_path)
    request: dict[str, Any] = {"version": 1, "operation": "bus.receive", "login": None}
    request["arguments"] = {"bus": "w", "destination": "q", "timeout": 3600}
    client._connection.sendall(json.dumps(request).encode() + b"\n")
    assert gone.wait(10)
    endpoint.close()  # waits for the request's thread, which must have ended
    assert waits == [0.5]


def test_a_request_that_trickles_in_is_cut_off_at_its_time_and_not_at_its_end() -> None:
    here, there = socket.socketpair()
    seconds = iter(range(100))

    def monotonic() -> float:
        there.sendall(b"x")  # another piece each time that the clock is read: no single piece is ever late
        return float(next(seconds))

    with here, there, pytest.raises(TimeoutError):
        read_line(here, 1_000, 10.0, monotonic)
    assert next(seconds) < 20
