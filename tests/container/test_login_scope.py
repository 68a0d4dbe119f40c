"""One login object is in force once at a time, whoever else enters it meanwhile (FLOW-4)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector.container.login_scope import LoginScope
from connector.errors import ScopeError
from connector.spi import Scope, Subject

ALICE = Subject.of_user("alice", "weather")


class Opened:
    """Opens scopes and counts those that are open; an enter waits until every thread has had its try."""

    def __init__(self, everybody: threading.Barrier | None = None) -> None:
        self._everybody = everybody
        self.open = 0

    @contextlib.contextmanager
    def __call__(self, subject: Subject, *, origin: str) -> Iterator[Scope]:
        self.open += 1
        if self._everybody is not None:
            self._everybody.wait(10)
        try:
            yield Scope(subject, "weather", "weather", origin)
        finally:
            self.open -= 1


def test_of_threads_that_enter_at_once_exactly_one_gets_in() -> None:
    everybody = threading.Barrier(8)
    opened = Opened(everybody)
    login = LoginScope(opened, ALICE, "login of alice")

    def enter(_: int) -> bool:
        try:
            with login:
                return True
        except ScopeError:
            everybody.wait(10)
            return False

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(enter, range(8))) == [False] * 7 + [True]
    assert opened.open == 0


def test_it_can_be_entered_again_once_it_is_over() -> None:
    opened = Opened()
    login = LoginScope(opened, ALICE, "login of alice")
    for _ in range(2):
        with login:
            with pytest.raises(ScopeError), login:
                pass
            assert opened.open == 1
        assert opened.open == 0


def test_a_scope_that_could_not_be_opened_leaves_it_free() -> None:
    refused = [RuntimeError("not now")]

    def run_as(subject: Subject, *, origin: str) -> contextlib.AbstractContextManager[Scope]:
        if refused:
            raise refused.pop()
        return contextlib.nullcontext(Scope(subject, "weather", "weather", origin))

    login = LoginScope(run_as, ALICE, "login of alice")
    with pytest.raises(RuntimeError), login:
        pass
    with login:
        pass
