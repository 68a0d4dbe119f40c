"""How `connector run` is told to stop."""

from __future__ import annotations

import signal

import pytest

from connector.admin.commands.run import stop_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait_even_if_it_came_before_it(number: signal.Signals) -> None:
    with stop_signals() as wait_for_stop:
        signal.raise_signal(number)
        wait_for_stop()


def test_a_second_signal_interrupts_the_stopping() -> None:
    with stop_signals():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_afterwards_the_signals_are_as_they_were() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stop_signals():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
