"""Ctrl-C during a long work: remembered once, and left alone where it is not ours to change (BUS-12)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from connector.admin.commands.run import stop_signals
from connector.admin.interruption import interruptible


@pytest.fixture(autouse=True)
def at_a_keyboard() -> Iterator[None]:
    """Ctrl-C means what it means to a person's command: processes that share tests may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def handled_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program that embeds Python and handles Ctrl-C itself: Python knows of no handler that it could name."""
    install = signal.signal

    def answering_none(number: int, handler: signal.Handlers) -> None:
        install(number, handler)

    monkeypatch.setattr(signal, "getsignal", lambda _number: None)
    monkeypatch.setattr(signal, "signal", answering_none)


def test_the_first_one_is_remembered_and_told() -> None:
    told: list[str] = []
    with interruptible(lambda: told.append("stopping")) as was_asked:
        assert not was_asked()
        signal.raise_signal(signal.SIGINT)
        assert was_asked()
    assert told == ["stopping"]


def test_the_second_one_is_as_always() -> None:
    with interruptible(lambda: None):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("handled_outside")
def test_a_handler_that_is_not_python_s_is_left_where_it_is() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible(lambda: None):  # what stands for the program's handler
        signal.raise_signal(signal.SIGINT)


def test_on_another_thread_nothing_is_changed() -> None:
    seen: list[object] = []

    def work() -> None:
        with interruptible(lambda: None):
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@pytest.mark.usefixtures("handled_outside")
def test_a_container_can_be_stopped_where_ctrl_c_was_handled_by_something_else() -> None:
    with stop_signals() as wait_for_stop:
        signal.raise_signal(signal.SIGINT)
        wait_for_stop()
