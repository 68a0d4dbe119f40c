"""A command that meets another one at work, or a container that is starting, waits for it; not for long (CONF-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from support_shop_commands import Shop

from connector.admin import route
from connector.admin.address import RECORD
from connector.container.state import StateFolder


class Waits:
    """Time that passes only while a command waits; what happens meanwhile is up to the test."""

    def __init__(self) -> None:
        self.now = 0.0
        self.meanwhile: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    made = Waits()
    monkeypatch.setattr(route, "time", SimpleNamespace(monotonic=lambda: made.now, sleep=made.sleep))
    return made


@contextmanager
def held(shop: Shop) -> Iterator[StateFolder]:
    """The profile's state folder is in use by somebody who can't be asked."""
    state = StateFolder(shop.profile.folder / "state")
    state.acquire()
    try:
        yield state
    finally:
        state.release()


def test_a_command_waits_for_the_one_before_it(shop: Shop, waits: Waits) -> None:
    with held(shop) as state:
        waits.meanwhile = state.release
        result = shop("check", "--fail-on", "never")
    assert result.exit_code == 0, result.output
    assert waits.now == route.PAUSE


def test_a_command_that_meets_a_container_at_its_start_asks_it(shop: Shop, waits: Waits) -> None:
    with held(shop) as state:
        started: list[Any] = []

        def start() -> None:
            state.release()
            running = shop.running()
            started.append((running, running.__enter__()))

        waits.meanwhile = start
        shop.login = "admin"
        result = shop("--json", "status")
        [(running, container)] = started
        seen = [event["action"] for event in shop.audited]
        running.__exit__(None, None, None)
    assert result.exit_code == 0, result.output
    assert container.name in result.stdout
    assert "admin.status" in seen


def test_one_that_waits_in_vain_says_who_is_in_the_way(shop: Shop, waits: Waits) -> None:
    with held(shop):
        assert shop.refused("check") == "CF-CTR-001"
    assert route.PATIENCE <= waits.now < route.PATIENCE + 1


@pytest.mark.parametrize("record", [b"\xff\xfe", b"with\0null"], ids=["no text", "no path"])
def test_a_record_of_the_socket_that_is_none_means_that_nothing_runs(shop: Shop, record: bytes) -> None:
    state = shop.profile.folder / "state"
    state.mkdir(exist_ok=True)
    (state / RECORD).write_bytes(record)
    assert shop("check", "--fail-on", "never").exit_code == 0


def test_a_state_folder_that_is_none_is_told(shop: Shop) -> None:
    (shop.profile.folder / "state").write_text("a file")
    assert shop.refused("check", exit_code=2) == "CF-CTR-002"
    assert shop("auth-data", "list").exit_code == 0  # needs no state
