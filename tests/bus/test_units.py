"""A bus in units of work: the application's own, and those of transacted handlers, in a real container (FLOW-8)."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from connector import Container
from connector.errors import MessagingError, TransactionError
from connector.security.vault_key import generate_key
from connector.transactions.unit import Unit
from connector_bus.engine.engine import BusEngine
from connector_bus.store.writer import OUTCOME_UNKNOWN, StoreUncertain

CONFIGURATION = """
[container]
name = "shop"
security = false
state = "state"
[realms.shop]
path = "users.toml"
[auth_data]
path = "auth-data.vault"
key = "file:vault.key"

[buses.shop]
security = false
destinations = { orders = {}, done = {}, replies = {} }
[buses.other]
security = false
destinations = { copies = {} }
[resources."jms/shop"]
adapter = "bus"
properties = { bus = "shop" }
[resources."jms/other"]
adapter = "bus"
properties = { bus = "other" }
[resources."jms/orders"]
adapter = "bus"
kind = "activation"
properties = { bus = "shop", destination = "orders" }
[resources."jdbc/ledger"]
adapter = "sql"
properties = { url = "sqlite:///FOLDER/ledger.db" }

[applications]
shop = "shop.toml"
"""
DESCRIPTOR = """
[application]
handlers = ["HANDLERS"]
path = ["."]
[references."jms/shop"]
bind = "jms/shop"
[references."jms/other"]
bind = "jms/other"
[references."jdbc/ledger"]
bind = "jdbc/ledger"
[activations."jms/orders"]
bind = "jms/orders"
max_redeliveries = 3
"""
HANDLERS = """
from connector import message_driven

#: Set by the test.
handle = None

@message_driven(activation="jms/orders", transacted=True)
def take(message, context):
    return handle(message, context)
"""


class Shop:
    """The container, and what stands in its buses and its ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = f"handlers_of_{abs(hash(str(folder)))}"
        (folder / "connector.toml").write_text(CONFIGURATION.replace("FOLDER", str(folder)))
        (folder / "shop.toml").write_text(DESCRIPTOR.replace("HANDLERS", self.module))
        (folder / f"{self.module}.py").write_text(HANDLERS)
        (folder / "users.toml").touch(mode=0o600)
        generate_key(folder / "vault.key")
        with sqlite3.connect(folder / "ledger.db") as database:
            database.execute("CREATE TABLE entries (what text)")
        database.close()
        self.container = self.start()

    def start(self) -> Container:
        self.container = Container.open(self.folder / "connector.toml", environ={})
        return self.container

    def handle(self, handler: Any) -> None:
        """What the handler does from now on."""
        sys.modules[self.module].handle = handler  # type: ignore[attr-defined]

    def bus(self, name: str = "shop") -> Any:
        return self.container.lookup(f"jms/{name}").get_connection()

    def send(self, queue: str, body: Any, **options: Any) -> None:
        with self.bus("other" if queue == "copies" else "shop") as bus:
            bus.send(queue, body, **options)

    def receive(self, queue: str, timeout: float = 0.0) -> Any:
        with self.bus() as bus:
            message = bus.receive(queue, timeout=timeout)
            return None if message is None else message.body

    def on(self, queue: str) -> list[Any]:
        with self.container.no_transaction(), self.bus("other" if queue == "copies" else "shop") as bus:
            return [message.body for message in bus.browse(queue)]

    def write(self, what: str) -> None:
        with self.container.lookup("jdbc/ledger").get_connection() as ledger:
            ledger.execute(text("INSERT INTO entries VALUES (:what)"), {"what": what})

    def written(self) -> list[str]:
        with self.container.no_transaction(), self.container.lookup("jdbc/ledger").get_connection() as ledger:
            return list(ledger.scalars(text("SELECT what FROM entries")))

    def engine(self, name: str = "shop") -> BusEngine:
        adapter: Any = self.container._parts.adapters["bus"]
        engine: BusEngine = adapter._buses[name].engine
        return engine

    def settled(self) -> None:
        """Wait until nothing is on the queue of the handler, nor in delivery."""
        queue = self.engine().destinations.get("orders").queue
        for _ in range(3000):
            if queue.counts() == (0, 0):
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"the deliveries never come to an end: {queue}")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.container.close()
    sys.modules.pop(shop.module, None)


@contextmanager
def rolled_back(shop: Shop, code: str = "") -> Iterator[None]:
    """A unit whose block raises at its end; with a code, one that is refused at its commit."""
    if code:
        with pytest.raises(TransactionError, match=code), shop.container.transaction():
            yield
    else:
        with pytest.raises(NoMore), shop.container.transaction():  # noqa: PT012 - the raising is what ends the unit
            yield
            raise NoMore


class NoMore(Exception):
    """What the block of a unit raises."""


# --- the application's own units ---------------------------------------------------------------------------------


def test_what_is_sent_in_a_unit_is_there_with_its_commit(shop: Shop) -> None:
    with shop.container.transaction():
        shop.send("done", 1)
        shop.send("done", 2)
        assert shop.on("done") == []
    assert shop.on("done") == [1, 2]


def test_what_is_sent_in_a_unit_that_is_rolled_back_was_never_sent(shop: Shop) -> None:
    with rolled_back(shop):
        shop.send("done", 1)
    with rolled_back(shop, "CF-TX-003"):
        shop.send("done", 2)
        the_unit(shop).set_rollback_only()
    assert shop.on("done") == []


def test_what_is_received_in_a_unit_that_is_rolled_back_is_there_again(shop: Shop) -> None:
    shop.send("done", 1)
    with rolled_back(shop):
        assert shop.receive("done") == 1
        assert shop.receive("done") is None, "nobody gets it meanwhile, nor comes it twice"
    assert shop.receive("done") == 1


def test_what_is_received_in_a_unit_is_gone_with_its_commit(shop: Shop) -> None:
    shop.send("done", 1)
    with shop.container.transaction():
        assert shop.receive("done") == 1
    assert shop.on("done") == []
    shop.container.close()
    assert shop.start().name == "shop"
    assert shop.on("done") == []


def test_two_buses_in_one_unit_commit_together(shop: Shop) -> None:
    with shop.container.transaction():
        shop.send("done", 1)
        shop.send("copies", 1)
        assert (shop.on("done"), shop.on("copies")) == ([], [])
    assert (shop.on("done"), shop.on("copies")) == ([1], [1])


def test_a_bus_that_can_t_prepare_rolls_back_the_other_one(shop: Shop) -> None:
    shop.send("copies", "before")
    with rolled_back(shop, r"CF-TX-003.*CF-BUS-052"):
        shop.send("done", 1)
        with shop.bus("other") as bus:
            assert bus.receive("copies", timeout=0) is not None
        shop.engine("other").store.close()
    assert shop.on("done") == []
    assert shop.engine().branches.in_doubt() == []


def test_a_bus_and_a_last_resource_commit_together(shop: Shop) -> None:
    with shop.container.transaction():
        shop.write("a lamp")
        shop.send("done", "a lamp")
        assert (shop.written(), shop.on("done")) == ([], [])
    assert (shop.written(), shop.on("done")) == (["a lamp"], ["a lamp"])


def test_where_the_last_resource_fails_at_its_commit_nothing_was_sent(shop: Shop) -> None:
    with rolled_back(shop, r"CF-TX-003.*OSError"):
        shop.send("done", "a lamp")
        shop.write("a lamp")
        raise_at_commit(shop)
    assert (shop.written(), shop.on("done")) == ([], [])


def the_unit(shop: Shop) -> Unit:
    unit = shop.container.current_transaction()
    assert unit is not None
    return unit


def raise_at_commit(shop: Shop) -> None:
    """Have the unit's last resource fail when it is to commit."""
    (last,) = (branch for branch in the_unit(shop).branches if not branch.two_phase)

    def fail(branch: str, *, one_phase: bool = False) -> None:
        last.participant.rollback(branch)
        raise OSError("the disk is full")

    last.participant.commit = fail  # type: ignore[method-assign]


def test_a_request_is_sent_at_once_and_answered_within_the_unit(shop: Shop) -> None:
    shop.handle(lambda message, context: {"echo": message.body})
    with rolled_back(shop):
        shop.send("done", 1)
        with shop.bus() as bus:
            assert bus.request("orders", 7, timeout=30).body == {"echo": 7}
    assert shop.on("done") == []


def test_outside_of_the_unit_it_is_sent_whatever_becomes_of_it(shop: Shop) -> None:
    with rolled_back(shop):
        with shop.container.no_transaction():
            shop.send("done", "stands")
        shop.send("done", "goes")
    assert shop.on("done") == ["stands"]


def test_a_unit_that_can_only_be_rolled_back_is_joined_by_no_other_bus(shop: Shop) -> None:
    with rolled_back(shop, "CF-TX-003"):
        shop.send("done", 1)
        the_unit(shop).set_rollback_only()
        shop.send("done", 2)  # it is in the unit already: it goes with it
        with pytest.raises(TransactionError, match="CF-TX-004"):
            shop.send("copies", 1)
    assert (shop.on("done"), shop.on("copies")) == ([], [])


def test_a_task_that_outlives_its_unit_can_send_nothing_in_it(shop: Shop) -> None:
    with shop.container.transaction():
        shop.send("done", 1)
        left_behind = copy_context()
    with pytest.raises(TransactionError, match="CF-TX-001"):
        left_behind.run(shop.send, "done", 2)
    assert shop.on("done") == [1]


# --- transacted handlers -----------------------------------------------------------------------------------------


def test_receive_row_send_and_reply_of_a_handler_are_there_together(shop: Shop) -> None:
    def handle(message: Any, context: Any) -> Any:
        shop.write(message.body)
        shop.send("done", message.body)
        assert (shop.written(), shop.on("done"), shop.on("replies")) == ([], [], [])
        return f"took {message.body}"

    shop.handle(handle)
    shop.send("orders", "a lamp", reply_to="replies")
    assert shop.receive("replies", timeout=30) == "took a lamp"
    shop.settled()
    assert (shop.written(), shop.on("done")) == (["a lamp"], ["a lamp"])


def test_what_a_failing_handler_did_is_undone_and_the_message_comes_again(shop: Shop) -> None:
    counts: list[int] = []

    def handle(message: Any, context: Any) -> None:
        counts.append(message.delivery_count)
        shop.write(f"attempt {len(counts)}")
        shop.send("done", f"attempt {len(counts)}")
        if len(counts) < 3:
            raise ValueError

    shop.handle(handle)
    shop.send("orders", "x")
    shop.settled()
    assert counts == [0, 1, 2]
    assert (shop.written(), shop.on("done")) == (["attempt 3"], ["attempt 3"])


def test_a_handler_that_asks_for_a_rollback_has_failed(shop: Shop) -> None:
    attempts: list[int] = []

    def handle(message: Any, context: Any) -> None:
        attempts.append(1)
        shop.send("done", "x")
        if len(attempts) == 1:
            context.set_rollback_only()

    shop.handle(handle)
    shop.send("orders", "x")
    shop.settled()
    assert len(attempts) == 2
    assert shop.on("done") == ["x"]


def test_a_reply_that_can_t_be_sent_undoes_the_row(shop: Shop) -> None:
    def handle(message: Any, context: Any) -> str:
        shop.write("never")
        return "an answer"

    shop.handle(handle)
    shop.send("orders", "x", reply_to="nowhere")
    shop.settled()
    assert shop.written() == []
    (failed,) = shop.on("_SYSTEM.Exception.Destination.shop")
    assert failed == "x"


def test_a_participant_that_says_no_has_the_message_delivered_again(shop: Shop) -> None:
    attempts: list[int] = []

    def handle(message: Any, context: Any) -> None:
        attempts.append(1)
        shop.write(f"attempt {len(attempts)}")
        if len(attempts) == 1:
            raise_at_commit(shop)

    shop.handle(handle)
    shop.send("orders", "x")
    shop.settled()
    assert shop.written() == ["attempt 2"]


def test_a_delivery_in_doubt_is_neither_repeated_nor_lost_and_recovery_ends_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision is to commit, and just then the bus's store can't be written."""
    handled, failing = threading.Event(), threading.Event()
    store: Any = shop.engine().store
    commit_prepared = store.commit_prepared

    def fail(branch: str) -> None:
        failing.set()
        raise MessagingError(OUTCOME_UNKNOWN, store="shop")

    monkeypatch.setattr(type(store), "commit_prepared", lambda self, branch: fail(branch))

    def handle(message: Any, context: Any) -> None:
        shop.write("a lamp")
        shop.send("done", "a lamp")
        handled.set()

    shop.handle(handle)
    shop.send("orders", "x")
    assert handled.wait(30)
    assert failing.wait(30)
    for _ in range(3000):
        if not shop.container._parts.transactions.running:
            break
        threading.Event().wait(0.01)
    assert (shop.written(), shop.on("done"), shop.on("orders")) == (["a lamp"], [], [])
    assert len(shop.container.transactions.to_list()) == 1
    monkeypatch.setattr(type(store), "commit_prepared", lambda self, branch: commit_prepared(branch))
    assert shop.container.transactions.recover() == []
    assert (shop.written(), shop.on("done"), shop.on("orders")) == (["a lamp"], ["a lamp"], [])
    shop.settled()


def test_a_commit_that_was_cut_off_has_the_message_delivered_again_only_if_it_is_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the connection to a shared store breaks with the answer: it was written, and nobody was told."""
    store: Any = shop.engine().store
    commit = store.commit
    cut_off: list[str] = []

    def lose_the_answer(unit: Any) -> None:
        commit(unit)
        if unit.remove and not cut_off:
            cut_off.append("once")
            raise StoreUncertain(OUTCOME_UNKNOWN, store="shop")

    monkeypatch.setattr(type(store), "commit", lambda self, unit: lose_the_answer(unit))
    seen: list[str] = []
    shop.handle(lambda message, context: seen.append(message.body))
    shop.send("orders", "x")
    shop.settled()
    assert seen == ["x"]
    assert shop.on("_SYSTEM.Exception.Destination.shop") == []
