"""Stopping: within its seconds whatever hangs, and without losing what was under way (issue A)."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest
from support_bus import ManualClock
from support_container import HANDLERS, ProfileFolder, request

from connector.container import stop_deadline
from connector.container.stop_deadline import AFTER_HANDLERS, STOP_TIMEOUT, StopDeadline

HANGING = """
import sys
from connector import message_driven

hooks = sys.modules["stop_test_hooks"]

@message_driven(activation="jms/orders", roles_allowed={"buyer"})
def take_order(message, context):
    hooks.begun.set()
    hooks.go_on.wait(60)
"""


class Hooks:
    """What the handler and its test tell each other."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hooks]:
    made = Hooks()
    monkeypatch.setitem(sys.modules, "stop_test_hooks", made)
    yield made
    made.go_on.set()


def test_the_steps_of_a_stop_share_one_deadline() -> None:
    clock = ManualClock()
    deadline = StopDeadline(clock)
    assert deadline.left(keep=AFTER_HANDLERS) == STOP_TIMEOUT - AFTER_HANDLERS
    clock.now += STOP_TIMEOUT - AFTER_HANDLERS
    assert deadline.left(keep=AFTER_HANDLERS) == 0.0
    assert deadline.left() == AFTER_HANDLERS
    clock.now += STOP_TIMEOUT
    assert deadline.left() == 0.0


def test_a_handler_that_hangs_is_left_behind_and_its_message_comes_again_unharmed(
    profile: ProfileFolder, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile.handlers(HANGING)
    monkeypatch.setattr(stop_deadline, "STOP_TIMEOUT", 0.2)
    container = profile.open()
    with container.login("alice", profile.password):
        with container.application("shop").lookup("jms/shop").get_connection() as bus:
            bus.send("orders", {"item": "tea"})
    assert hooks.begun.wait(30)
    container.close()
    assert any("shop-work" in thread.name for thread in threading.enumerate()), "the handler was to hang still"
    with profile.open(activate=False) as again, again.login("alice", profile.password):
        (destination,) = [
            each
            for each in again.run_command("bus", "show", {})["buses"][0]["destinations"]
            if each["name"] == "orders"
        ]
        assert (destination["depth"], destination["in_delivery"]) == (1, 0)
        with again.application("shop").lookup("jms/shop").get_connection() as bus:
            (waiting,) = bus.browse("orders")
    assert (waiting.body, waiting.delivery_count) == ({"item": "tea"}, 0)


def test_twenty_containers_one_after_the_other_leave_no_thread_behind(profile: ProfileFolder) -> None:
    before = set(threading.enumerate())
    for _ in range(20):
        profile.open().close()
    assert set(threading.enumerate()) <= before


def test_a_start_that_fails_half_way_leaves_no_thread_and_no_lock(profile: ProfileFolder) -> None:
    before = set(threading.enumerate())

    def attach(_container: object) -> object:
        raise OSError("no socket to be had")

    with pytest.raises(OSError, match="no socket"):
        profile.open(attach=attach)
    assert set(threading.enumerate()) <= before
    profile.handlers(HANDLERS)
    with profile.open() as container:
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
