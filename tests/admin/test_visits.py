"""Idle connections occupy no port: whoever is silent goes where all places are taken (CONF-6, CONF-7)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support_sockets import ListenerWithoutDescriptors

from connector.admin.request_server import BACK_OFF, MOST_REQUESTS, RequestServer
from connector.admin.visits import GRACE, Visit, whom_to_shed


class Echo:
    """A port that answers a line with itself."""

    def __init__(self, listener: socket.socket) -> None:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2 * MOST_REQUESTS)
        self.port: int = listener.getsockname()[1]
        self.now = 0.0
        self.held, self.hold = threading.Semaphore(0), threading.Event()
        self.server = RequestServer(listener, self._serve, "the echo", lambda: self.now)

    def _serve(self, visit: Visit) -> None:
        visit.connection.settimeout(10)
        line = visit.connection.recv(100)
        if not line:
            return
        visit.heard()
        if line == b"hold\n":
            self.held.release()
            self.hold.wait(10)
        visit.connection.sendall(line)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo(socket.socket())
    yield made
    made.hold.set()
    made.server.close()


def _ask(connection: socket.socket, line: bytes) -> bytes:
    connection.sendall(line)
    return connection.recv(100)


def test_idle_connections_make_room_for_whoever_comes(echo: Echo) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(echo.connect()) for _ in range(MOST_REQUESTS)]
        echo.now = GRACE
        with echo.connect() as late:
            assert _ask(late, b"hello\n") == b"hello\n"
        assert sum(_is_over(each) for each in idle) == 1


def _is_over(connection: socket.socket) -> bool:
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


def test_who_has_said_what_it_wants_is_never_sent_away(echo: Echo) -> None:
    with ExitStack() as stack:
        busy = [stack.enter_context(echo.connect()) for _ in range(MOST_REQUESTS)]
        for each in busy:
            each.sendall(b"hold\n")
        for _ in busy:
            assert echo.held.acquire(timeout=10)
        echo.now = 100.0
        with echo.connect() as late:
            late.sendall(b"hello\n")
            echo.hold.set()
            assert late.recv(100) == b"hello\n"
        assert {each.recv(100) for each in busy} == {b"hold\n"}


def test_a_port_that_can_accept_nothing_tries_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listener = ListenerWithoutDescriptors(2)
    echo, waits = Echo(listener), list[float]()
    monkeypatch.setattr(echo.server._stopping, "wait", waits.append)
    try:
        with echo.connect() as late:
            assert _ask(late, b"hello\n") == b"hello\n"
    finally:
        echo.server.close()
    assert waits == [BACK_OFF] * 2
    assert len([each for each in caplog.records if "could not accept" in each.getMessage()]) == 2


class _Silent:
    """What is asked of a visit, without a connection."""

    def __init__(self, origin: str, began: float, is_silent: bool) -> None:
        self.origin, self.began, self.is_silent = origin, began, is_silent


_VISITS = st.lists(st.builds(_Silent, st.sampled_from("abc"), st.integers(0, 9).map(float), st.booleans()), max_size=12)


@given(visits=_VISITS, now=st.integers(0, 12).map(float))
@settings(max_examples=200, phases=set(Phase) - {Phase.explain})
def test_the_first_silent_one_goes_of_where_most_of_them_come_from(visits: list[_Silent], now: float) -> None:
    them: Any = visits
    shed: Any
    shed, wait = whom_to_shed(them, now)
    silent = [each for each in visits if each.is_silent]
    if shed is None:
        assert wait is None or 0 < wait <= GRACE + 9
        assert (wait is None) == (not silent)
        return
    assert any(shed is each for each in silent)
    assert now - shed.began >= GRACE
    there = [each for each in silent if each.origin == shed.origin]
    assert all(sum(each.origin == other for each in silent) <= len(there) for other in "abc")
    assert shed.began == min(each.began for each in there)
