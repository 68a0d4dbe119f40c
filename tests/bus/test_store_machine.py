"""A store against a model, over claims, units, decisions, fencing and restarts in any order (hypothesis)."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from support_bus_store import StorePlace, message, postgresql_place, sqlite_place

from connector.errors import MessagingError
from connector_bus.store.contract import MessageStore
from connector_bus.store.postgresql_store import PostgresqlStore
from connector_bus.store.record import StoredMessage
from connector_bus.store.unit import StoreUnit
from weather_postgresql import PostgreSQLServer

ENGINES = ("first", "second")
T = TypeVar("T")
PICK = st.integers(0, 1000)


@dataclass
class Stored:
    """What the model knows of a message: where it is is one of free, claimed, arriving, leaving."""

    priority: int
    where: str = "free"
    engine: str = ""
    epoch: int = 0
    branch: str = ""


class StoreMachine(RuleBasedStateMachine):
    """One or two engines on one store; the numbers of messages are those that a store without gaps gives."""

    server: ClassVar[PostgreSQLServer | None] = None

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.shared = self.server is not None
        self.place: StorePlace
        if self.server is None:
            self.place = self.stack.enter_context(
                sqlite_place(Path(self.stack.enter_context(tempfile.TemporaryDirectory())))
            )
        else:
            self.place = self.stack.enter_context(postgresql_place(self.server))
        names = ENGINES if self.shared else ENGINES[:1]
        self.stores: dict[str, MessageStore] = {name: self.place.open(name) for name in names}
        self.model: dict[int, Stored] = {}
        self.branches: dict[str, str] = {}  # branch → the engine that prepared it
        self.last = self.branch_count = 0

    def teardown(self) -> None:
        self.stack.close()

    # --- what happens ---

    @rule(pick=PICK, priorities=st.lists(st.integers(0, 9), min_size=1, max_size=3))
    def messages_come(self, pick: int, priorities: list[int]) -> None:
        engine = self.engine(pick)
        self.stores[engine].commit(StoreUnit(self.arrivals(priorities)))
        self.arrived(priorities, Stored(0))

    @precondition(lambda self: self.shared)
    @rule(pick=PICK, count=st.integers(1, 3))
    def an_engine_claims(self, pick: int, count: int) -> None:
        engine = self.engine(pick)
        store = self.stores[engine]
        assert isinstance(store, PostgresqlStore)
        lines = store.claim("q", count, mediated=True, exclusive=False)
        assert [line.sequence for line in lines] == self.free()[:count]
        for line in lines:
            assert line.claim == store.epoch
            self.model[line.sequence] = Stored(line.priority, "claimed", engine, store.epoch)

    @precondition(lambda self: self.claimed())
    @rule(pick=PICK)
    def an_engine_gives_back(self, pick: int) -> None:
        number = self.pick(self.claimed(), pick)
        held = self.model[number]
        store = self.stores[held.engine]
        assert isinstance(store, PostgresqlStore)
        store.give_back([number])
        if held.epoch == store.epoch:
            self.model[number] = Stored(held.priority)

    @precondition(lambda self: self.takeable())
    @rule(pick=PICK, priorities=st.lists(st.integers(0, 9), max_size=2))
    def a_message_is_settled(self, pick: int, priorities: list[int]) -> None:
        """With what comes in its place; or refused, where its claim is of an epoch that is over."""
        number = self.pick(self.takeable(), pick)
        engine = self.model[number].engine or ENGINES[0]
        unit = StoreUnit(self.arrivals(priorities), (number,), claim=self.model[number].epoch)
        self.stores[engine].commit(unit)
        del self.model[number]
        self.arrived(priorities, Stored(0))

    @precondition(lambda self: self.takeable())
    @rule(pick=PICK, priorities=st.lists(st.integers(0, 9), max_size=2))
    def a_unit_is_prepared(self, pick: int, priorities: list[int]) -> None:
        number = self.pick(self.takeable(), pick)
        held = self.model[number]
        engine = held.engine or ENGINES[0]
        self.branch_count += 1
        branch = f"branch-{self.branch_count}"
        self.stores[engine].prepare(branch, StoreUnit(self.arrivals(priorities), (number,), claim=held.epoch))
        self.branches[branch] = engine
        self.model[number] = Stored(held.priority, "leaving", engine, held.epoch, branch)
        self.arrived(priorities, Stored(0, "arriving", engine, branch=branch))

    @precondition(lambda self: self.branches)
    @rule(pick=PICK, commit=st.booleans())
    def a_unit_is_decided(self, pick: int, commit: bool) -> None:
        branch = self.pick(sorted(self.branches), pick)
        engine = self.branches.pop(branch)
        store = self.stores[engine]
        (store.commit_prepared if commit else store.rollback_prepared)(branch)
        for number, held in list(self.model.items()):
            if held.branch != branch:
                continue
            if (held.where == "arriving") is not commit:
                del self.model[number]
            elif held.where == "leaving" and self.shared and held.epoch == self.epoch(engine):
                self.model[number] = Stored(held.priority, "claimed", engine, held.epoch)
            else:
                self.model[number] = Stored(held.priority)

    @rule(pick=PICK)
    def an_engine_is_restarted(self, pick: int) -> None:
        engine = self.engine(pick)
        self.stores[engine].close()
        self.freed(engine)
        self.stores[engine] = self.place.open(engine)

    @precondition(lambda self: self.shared)
    @rule(pick=PICK)
    def an_engine_is_fenced_and_begins_anew(self, pick: int) -> None:
        engine, other = self.engine(pick), self.engine(pick + 1)
        store, judge = self.stores[engine], self.stores[other]
        assert isinstance(store, PostgresqlStore)
        assert isinstance(judge, PostgresqlStore)
        stale = [number for number, held in self.model.items() if held.where == "claimed" and held.engine == engine]
        old = store.epoch
        self.place.run_sql(f"UPDATE engines SET seen = seen - interval '1 hour' WHERE name = '{engine}'")
        assert judge.look()
        self.freed(engine)
        self.refused(store, StoreUnit((message(1),)))
        assert not store.look()
        store.rejoin()
        for number in stale:
            self.refused(store, StoreUnit(remove=(number,), claim=old))

    # --- what must be so ---

    @invariant()
    def the_store_holds_what_the_model_holds(self) -> None:
        for engine, store in self.stores.items():
            there = sorted(number for number, held in self.model.items() if held.where != "arriving")
            assert [line.sequence for line in store.index()] == there
            prepared = {
                unit.branch: (
                    [line.sequence for line in unit.arrivals],
                    [line.sequence for line in unit.removals],
                )
                for unit in store.prepared()
            }
            assert prepared == {
                branch: (self.of(branch, "arriving"), self.of(branch, "leaving"))
                for branch, owner in self.branches.items()
                if owner == engine
            }
            if isinstance(store, PostgresqlStore):
                assert [line.sequence for line in store.waiting("q", mediated=True)] == self.free()
                busy = sum(held.where in ("claimed", "leaving") for held in self.model.values())
                assert store.counts("q", mediated=True) == (len(self.free()), busy)

    # --- the model ---

    def engine(self, pick: int) -> str:
        return ENGINES[pick % len(self.stores)]

    def epoch(self, engine: str) -> int:
        store = self.stores[engine]
        return store.epoch if isinstance(store, PostgresqlStore) else 0

    def arrivals(self, priorities: list[int]) -> tuple[StoredMessage, ...]:
        return tuple(
            message(self.last + number, number, priority=priority) for number, priority in enumerate(priorities, 1)
        )

    def arrived(self, priorities: list[int], like: Stored) -> None:
        for priority in priorities:
            self.last += 1
            self.model[self.last] = Stored(priority, like.where, like.engine, like.epoch, like.branch)

    def free(self) -> list[int]:
        ready = [(-held.priority, number) for number, held in self.model.items() if held.where == "free"]
        return [number for _, number in sorted(ready)]

    def claimed(self) -> list[int]:
        return sorted(number for number, held in self.model.items() if held.where == "claimed")

    def takeable(self) -> list[int]:
        return self.claimed() if self.shared else self.free()

    def of(self, branch: str, where: str) -> list[int]:
        return sorted(n for n, held in self.model.items() if held.branch == branch and held.where == where)

    def freed(self, engine: str) -> None:
        for number, held in self.model.items():
            if held.where == "claimed" and held.engine == engine:
                self.model[number] = Stored(held.priority)

    def refused(self, store: MessageStore, unit: StoreUnit) -> None:
        with pytest.raises(MessagingError, match="CF-BUS-08"):
            store.commit(unit)

    @staticmethod
    def pick(among: list[T], pick: int) -> T:
        return among[pick % len(among)]


def check(machine: type[StoreMachine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            phases=[Phase.reuse, Phase.generate, Phase.shrink],
        ),
    )


def test_a_store_in_a_file_does_what_the_model_does() -> None:
    check(StoreMachine, 30)


@pytest.mark.postgresql
@pytest.mark.slow
def test_a_store_that_two_engines_share_does_what_the_model_does(postgresql: PostgreSQLServer) -> None:
    class SharedMachine(StoreMachine):
        server = postgresql

    check(SharedMachine, 25)
