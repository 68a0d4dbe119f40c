"""A bus in a transaction: prepared, decided, in doubt, recovered after a restart (FLOW-8)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import MessagingError
from connector.spi import Message, Subject, Vote
from connector_bus.engine.delivery_unit import DeliveryUnit, unit_in_force
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.participant import BusParticipant, Participants


def engine_of(world: World) -> BusEngine:
    return world.adapter._buses["weather"].engine


def participant(world: World, sends: int = 1, *, takes: bool = True) -> BusParticipant:
    """A unit that sends to uk and, from the one message that is there, takes."""
    engine = engine_of(world)
    unit = DeliveryUnit(engine)
    connection = world.connect("alice")
    with unit_in_force(unit):
        for number in range(sends):
            connection.send("uk", number)
        if takes:
            assert connection.receive("requests", timeout=0) is not None
    return BusParticipant(engine, unit)


def bodies(world: World, destination: str) -> list[object]:
    return [message.body for message in world.peek(destination)]


def test_a_prepared_unit_is_neither_visible_nor_lost_and_commits_as_a_whole(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        each = participant(world, 2)
        assert each.resource == "bus:weather"
        assert each.prepare("b1") is Vote.PREPARED
        assert bodies(world, "uk") == bodies(world, "requests") == []
        each.commit("b1")
        assert bodies(world, "uk") == [0, 1]
        assert bodies(world, "requests") == []
        assert engine_of(world).branches.in_doubt() == []


def test_a_prepared_unit_that_is_rolled_back_has_sent_nothing_and_taken_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        each = participant(world)
        each.prepare("b1")
        each.rollback("b1")
        each.rollback("b1")
        assert bodies(world, "uk") == []
        assert bodies(world, "requests") == ["x"]
    with running(tmp_path) as world:
        assert bodies(world, "uk") == []
        assert bodies(world, "requests") == ["x"]


def test_one_that_was_never_prepared_rolls_back_without_a_word_to_the_store(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        each = participant(world)
        engine_of(world).store.close()
        each.rollback("b1")
        assert bodies_ready(world, "requests") == 1


def bodies_ready(world: World, destination: str) -> int:
    return engine_of(world).destinations.get(destination).queue.counts()[0]


def test_alone_in_its_transaction_it_commits_in_one_phase(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        participant(world).commit("b1", one_phase=True)
        assert bodies(world, "uk") == [0]
        assert bodies(world, "requests") == []


def test_a_one_phase_commit_that_fails_has_given_everything_back(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        each = participant(world)
        engine_of(world).store.close()
        with pytest.raises(MessagingError, match="CF-BUS-052"):
            each.commit("b1", one_phase=True)
        each.rollback("b1")
        assert bodies_ready(world, "requests") == 1
        assert each.leave()


def test_a_unit_without_work_has_nothing_to_decide(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        assert participant(world, 0, takes=False).prepare("b1") is Vote.READ_ONLY


def test_after_prepare_nothing_more_can_be_done_in_the_unit(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        each = participant(world, takes=False)
        each.prepare("b1")
        with unit_in_force(each.unit), pytest.raises(MessagingError, match="CF-BUS-037"):
            world.connect("alice").send("uk", "late")
        each.commit("b1")
        assert bodies(world, "uk") == [0]


def test_a_reply_to_a_queue_in_memory_waits_for_the_decision_as_well(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        engine, owner = engine_of(world), object()
        engine.destinations.add_reply_queue("_TEMP.reply.1", owner)
        unit = DeliveryUnit(engine)
        with unit_in_force(unit):
            engine.send(Subject.of_user("alice", "weather"), "_TEMP.reply.1", Message("answer"))
        each = BusParticipant(engine, unit)
        assert each.prepare("b1") is Vote.PREPARED
        reply_queue = engine.destinations.get("_TEMP.reply.1").queue
        assert reply_queue.counts() == (0, 0)
        each.commit("b1")
        assert reply_queue.counts() == (1, 0)


def recover_by_commit(engine: BusEngine) -> None:
    for branch in engine.branches.in_doubt():
        engine.branches.commit(branch)


def recover_by_rollback(engine: BusEngine) -> None:
    for branch in engine.branches.in_doubt():
        engine.branches.rollback(branch)


@pytest.mark.parametrize(("recover", "sent", "there"), [(recover_by_commit, [0], []), (recover_by_rollback, [], ["x"])])
def test_after_a_restart_what_is_in_doubt_stays_out_until_it_is_decided(
    tmp_path: Path, recover: Callable[[BusEngine], None], sent: list[object], there: list[object]
) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        participant(world).prepare("b1")
    with running(tmp_path) as world:
        engine = engine_of(world)
        assert engine.branches.in_doubt() == ["b1"]
        assert len(engine.branches) == 1
        assert world.connect("alice").receive("requests", timeout=0) is None
        assert bodies(world, "uk") == []
        recover(engine)
        recover(engine)
        assert (bodies(world, "uk"), bodies(world, "requests")) == (sent, there)
        assert len(engine.branches) == 0
    with running(tmp_path) as world:
        assert (bodies(world, "uk"), bodies(world, "requests")) == (sent, there)


def test_what_is_recovered_goes_to_whoever_waits_for_it(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        participant(world).prepare("b1")
    with running(tmp_path) as world:
        delivered: list[Message] = []
        world.activate(delivered.append)
        world.works.pump()
        assert delivered == []
        recover_by_rollback(engine_of(world))
        world.works.pump()
        assert [message.body for message in delivered] == ["x"]


def test_recovery_and_the_transaction_s_own_decision_show_a_message_once(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        each = participant(world, takes=False)
        each.prepare("b1")
        recover_by_commit(engine_of(world))
        each.commit("b1")
        assert bodies(world, "uk") == [0]


def own(world: World, sends: int = 1) -> BusParticipant:
    """A unit whose own message was taken from requests, as a delivery does."""
    each = participant(world, sends, takes=False)
    queue = engine_of(world).destinations.get("requests").queue
    entry = queue.receive(0)
    assert entry is not None
    return BusParticipant(engine_of(world), each.unit, (queue, entry))


def test_the_delivery_s_own_message_leaves_with_the_commit(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        each = own(world)
        each.prepare("b1")
        each.commit("b1")
        assert not each.leave()
    with running(tmp_path) as world:
        assert (bodies(world, "uk"), bodies(world, "requests")) == ([0], [])


def test_when_it_is_rolled_back_the_delivery_decides_about_its_own_message(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        each = own(world)
        each.prepare("b1")
        each.rollback("b1")
        assert bodies_ready(world, "requests") == 0
        assert each.leave()


def test_while_it_is_in_doubt_the_delivery_has_no_say_and_recovery_gives_the_message_back(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "x")
        each = own(world)
        each.prepare("b1")
        assert not each.leave()
        assert bodies_ready(world, "requests") == 0
        recover_by_rollback(engine_of(world))
        assert bodies_ready(world, "requests") == 1


def test_a_unit_votes_no_where_a_destination_is_full(tmp_path: Path) -> None:
    destinations = {"requests": {}, "uk": {"max_depth": 1, "send_timeout": 0.0}, "replies": {}}
    with running(tmp_path, {"weather": weather_bus(destinations=destinations)}) as world:
        world.connect("alice").send("requests", "x")
        each = participant(world, 2)
        with pytest.raises(MessagingError, match="CF-BUS-173"):
            each.prepare("b1")
        each.rollback("b1")
        assert (bodies(world, "uk"), bodies(world, "requests")) == ([], ["x"])
        again = participant(world, 1)
        again.prepare("b2")
        again.commit("b2")
        assert bodies(world, "uk") == [0]


def test_what_a_prepared_unit_sends_is_shown_when_it_is_due(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        engine = engine_of(world)
        unit = DeliveryUnit(engine)
        with unit_in_force(unit):
            world.connect("alice").send("uk", "later", delay=60.0)
        BusParticipant(engine, unit).prepare("b1")
    with running(tmp_path) as world:
        engine_of(world).branches.commit("b1")
        assert bodies(world, "uk") == []
        world.advance(60.0)
        assert bodies(world, "uk") == ["later"]


def test_two_threads_of_a_unit_take_part_in_it_by_one_participant() -> None:
    told = threading.Event()
    enlisted: list[object] = []

    class Noting:
        """A lock that tells of who has to wait for it."""

        def __init__(self) -> None:
            self._lock = threading.Lock()

        def __enter__(self) -> None:
            if not self._lock.acquire(blocking=False):
                told.set()
                self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            self._lock.release()

    class Work:
        """A unit of work in which the other thread comes while the first one enlists."""

        id = "unit"

        def enlist(self, participant: object) -> None:
            enlisted.append(participant)
            if len(enlisted) == 1:
                other.start()
                assert told.wait(10)
            else:
                told.set()

    work: Any = Work()
    engine: Any = object()
    participants = Participants(engine, SimpleNamespace(current=lambda: work))
    participants._lock = Noting()  # type: ignore[assignment]
    found: list[object] = []
    other = threading.Thread(target=lambda: found.append(participants.current()))
    found.append(participants.current())
    other.join(10)
    assert len(enlisted) == 1
    assert found[0] is found[1]
