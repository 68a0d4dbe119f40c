"""Two containers of one process have a thread each for their chains: what one writes or reads is not the other's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from support_wire import require_proton

from connector_bus.chains.engine_room import EngineRoom
from connector_bus.chains.lean import load_lean

pytestmark = pytest.mark.amqp

CHAIN: Any = SimpleNamespace(idle_timeout=60.0, max_frame_size=65536, max_sessions=16)
LISTENER: Any = SimpleNamespace(on_event=lambda *_: None, takers={}, on_flow=lambda _: None)


def on_another_thread(action: Callable[[], Any]) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(action()))
    thread.start()
    thread.join(10)
    return found[0]


def opened(name: str) -> EngineRoom:
    """An engine that has its name to say."""
    room = EngineRoom(name, CHAIN, LISTENER)
    room.connection.open()
    room.feed(b"AMQP\x00\x01\x00\x00")
    return room


class Meanwhile:
    """The library's functions; once, when one of them has written into its buffer, something else is done."""

    def __init__(self, lib: Any, name: str, action: Callable[[], Any]) -> None:
        self._lib, self._name, self._actions = lib, name, [action]

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._lib, name)
        if name != self._name:
            return function

        def call(*args: Any) -> Any:
            answer = function(*args)
            while self._actions:
                self._actions.pop()()
            return answer

        return call


def test_what_one_writes_is_its_own_while_another_writes() -> None:
    require_proton()

    def the_other_writes() -> bytes:
        room = opened("the-other-container")
        written = room.output()[0]
        room.end()
        return written

    room, seen = opened("this-container"), list[bytes]()
    room._lib = Meanwhile(room._lib, "pn_transport_peek", lambda: seen.append(on_another_thread(the_other_writes)))
    written = room.output()[0]
    room.end()
    assert b"the-other-container" in seen[0]
    assert b"this-container" in written
    assert b"other" not in written


def test_what_one_reads_is_its_own_while_another_reads() -> None:
    require_proton()
    lean = load_lean()

    def of(text: bytes) -> Callable[[Any, Any, int], int]:
        def receive(_link: Any, buffer: Any, size: int) -> int:
            load_lean().ffi.memmove(buffer, text, len(text))
            return min(len(text), size)

        return receive

    def the_other_reads() -> bytes:
        mine = load_lean()
        before, mine._receive = mine._receive, of(b"of bob")
        try:
            return mine.received(None, 100)
        finally:
            mine._receive = before

    def receive(link: Any, buffer: Any, size: int) -> int:
        got = of(b"of alice")(link, buffer, size)
        lean._receive = before
        assert on_another_thread(the_other_reads) == b"of bob"
        return got

    before, lean._receive = lean._receive, receive
    try:
        assert lean.received(None, 100) == b"of alice"
    finally:
        lean._receive = before
