"""Replaying and discarding many messages: stopped by Ctrl-C, by a killed client, by the container's end (BUS-11)."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from support_shop_commands import Shop

from connector import Container
from connector.admin.route import Route
from connector.errors import ConnectionFailed, Reason

MESSAGES = 250
CUT = Reason("CF-TEST-800", "the container is gone", "")


@pytest.fixture
def container(shop: Shop) -> Iterator[Container]:
    """A queue with three batches of messages, looked after as if they had failed there."""
    for name in ("bills", "paid"):
        shop("bus", "destinations", "add", "shop", name)
    with shop.running() as opened:
        with opened.bus_connection("shop", "alice", shop.profile.password) as connection:
            for number in range(MESSAGES):
                connection.send("bills", number)
        yield opened


@pytest.fixture(autouse=True)
def at_a_keyboard() -> Iterator[None]:
    """Ctrl-C means what it means to a person's command: processes that share tests may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def depth(shop: Shop, destination: str) -> int:
    (bus,) = shop.json("bus", "show", "shop")["buses"]
    return int(next(each["depth"] for each in bus["destinations"] if each["name"] == destination))


def after_parts(monkeypatch: pytest.MonkeyPatch, parts: int, act: Any) -> None:
    """Have something happen while that part is under way, on the side of the client."""
    asked, call = [0], Route.call

    def counting(route: Route, operation: str, arguments: Mapping[str, Any], **more: Any) -> Any:
        if operation.startswith("bus.exceptions."):
            asked[0] += 1
            if asked[0] == parts:
                act()
        return call(route, operation, arguments, **more)

    monkeypatch.setattr(Route, "call", counting)


def work(shop: Shop, command: str, *more: str) -> Result:
    to = ("--to", "paid") if command == "replay" else ()
    return shop(*more, "bus", "exceptions", command, "shop", "--all", "--destination", "bills", *to)


@pytest.mark.parametrize(("command", "word"), [("discard", "discarded"), ("replay", "replayed")])
@pytest.mark.usefixtures("container")
def test_ctrl_c_finishes_the_part_under_way_and_tells_what_was_done(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, command: str, word: str
) -> None:
    after_parts(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    result = work(shop, command)
    assert (result.exit_code, result.stdout) == (130, f"200 {word}; interrupted, 50 are where they were.\n")
    assert "Stopping after the part under way" in result.stderr
    assert depth(shop, "bills") == 50
    assert depth(shop, "paid") == (200 if command == "replay" else 0)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("container")
def test_what_was_interrupted_is_told_to_programs_and_goes_on_where_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        after_parts(patched, 1, lambda: signal.raise_signal(signal.SIGINT))
        told = json.loads(work(shop, "discard", "--json").stdout)
    assert (told["done"], told["left"], told["failed"]) == (100, 150, [])
    assert work(shop, "discard").stdout == "150 discarded.\n"
    assert depth(shop, "bills") == 0


@pytest.mark.usefixtures("container")
def test_a_second_ctrl_c_stops_at_once_and_still_tells(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    after_parts(monkeypatch, 2, twice)
    result = work(shop, "discard")
    assert result.exit_code == 130
    assert "100 discarded before that; the others are where they were." in result.stderr
    assert depth(shop, "bills") == 150


@pytest.mark.usefixtures("container")
def test_a_failure_in_the_middle_tells_what_was_done_before(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ConnectionFailed(CUT)

    after_parts(monkeypatch, 3, fail)
    result = work(shop, "replay")
    assert result.exit_code == 3
    assert "200 replayed before that" in result.stderr
    assert (depth(shop, "bills"), depth(shop, "paid")) == (50, 200)


@pytest.mark.parametrize("command", ["discard", "replay"])
def test_a_client_that_is_killed_leaves_each_message_in_one_place_or_the_other(
    shop: Shop, container: Container, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The part under way is finished, as its line in the audit log says; no other one is begun."""
    asked, finished, clients = [0], threading.Event(), list[subprocess.Popen[bytes]]()
    run = Container.bus_command

    def killing(self: Container, bus: str, name: str, arguments: Mapping[str, Any]) -> Any:
        asked[0] += name == command
        if name == command and asked[0] == 2:
            clients[0].kill()
            clients[0].wait()
        try:
            return run(self, bus, name, arguments)
        finally:
            if asked[0] == 2:
                finished.set()

    monkeypatch.setattr(Container, "bus_command", killing)
    clients.append(client(shop, command))  # there before it has asked for the second part
    try:
        assert finished.wait(60.0)
    finally:
        with contextlib.suppress(ProcessLookupError):
            clients[0].kill()
        clients[0].wait()
    done: list[int] = []
    for _ in range(50):  # the line is written when the part is finished, with nobody left who waits for it
        shop.json("bus", "links", "list", "shop")
        done = [each["details"]["done"] for each in shop.audited if each["action"] == f"admin.bus.exceptions.{command}"]
        if len(done) == 2:
            break
    assert (asked[0], done) == (2, [100, 100])
    assert depth(shop, "bills") == 50
    assert depth(shop, "paid") == (200 if command == "replay" else 0)


def client(shop: Shop, command: str) -> subprocess.Popen[bytes]:
    """`connector bus exceptions …` in a process of its own, on the container that runs in this one."""
    options = ["-c", str(shop.profile.configuration), "--login", "admin"]
    options += ["--login-password-file", str(shop.password_file)]
    to = ["--to", "paid"] if command == "replay" else []
    words = ["bus", "exceptions", command, "shop", "--all", "--destination", "bills", *to]
    program = Path(sys.executable).parent / "connector"
    return subprocess.Popen([program, *options, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
