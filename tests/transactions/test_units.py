"""Units of work: which participant is asked what, and what becomes of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_pool import FakeClock
from support_transactions import FakeParticipant, FakeResource, Refusal, refuse, transactions_in

from connector.errors import OutcomeUnknown, Reason, TransactionError
from connector.transactions.current import CURRENT_UNIT
from connector.transactions.service import Transactions
from connector.transactions.unit import UnitState

LOST = Reason("CF-TEST-TX-001", "the answer was lost", "")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def transactions(tmp_path: Path, clock: FakeClock) -> Iterator[Transactions]:
    made = transactions_in(tmp_path / "transactions", clock)
    yield made
    assert CURRENT_UNIT.get() is None, "a test has left its unit behind"
    made.close()


def logged(transactions: Transactions) -> str:
    return (transactions.log._path).read_text()


def test_one_participant_commits_in_one_phase_and_nothing_is_logged(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
    assert bank.calls == ["commit:one-phase"]
    assert unit.state is UnitState.COMMITTED
    assert unit.id not in logged(transactions)


def test_two_participants_are_prepared_then_decided_then_committed(transactions: Transactions) -> None:
    order: list[str] = []
    bank, shop = FakeResource("bank"), FakeResource("shop")
    bank.on_call = lambda call: order.append(f"bank {call}, logged: {unit.id + chr(34) in logged(transactions)}")
    shop.on_call = lambda call: order.append(f"shop {call}, logged: {unit.id + chr(34) in logged(transactions)}")
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.enlist(FakeParticipant(shop))
    assert order == [
        "bank prepare, logged: False",
        "shop prepare, logged: False",
        "bank commit, logged: True",
        "shop commit, logged: True",
    ]
    assert dict(transactions.log.open_units) == {}


def test_a_no_rolls_all_back_and_says_whose_it_was(transactions: Transactions) -> None:
    bank, shop, mail = FakeResource("bank"), FakeResource("shop"), FakeResource("mail")
    shop.on_call = refuse("prepare")
    with pytest.raises(TransactionError) as caught, transactions.unit() as unit:
        for resource in (bank, shop, mail):
            unit.enlist(FakeParticipant(resource))
    assert caught.value.code == "CF-TX-003"
    assert isinstance(caught.value.__cause__, Refusal)
    assert bank.calls == ["prepare", "rollback"]
    assert shop.calls == ["prepare", "rollback"]
    assert mail.calls == ["rollback"]
    assert unit.state is UnitState.ROLLED_BACK


def test_an_error_in_the_block_rolls_back_and_goes_on(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    with pytest.raises(Refusal, match="mine"), transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        raise Refusal("mine")
    assert bank.calls == ["rollback"]
    assert transactions.running == ()


def test_the_last_resource_commits_in_place_of_the_decision(transactions: Transactions) -> None:
    order: list[str] = []
    old, bank = FakeResource("old"), FakeResource("bank")
    old.on_call = lambda call: order.append(f"old {call}")
    bank.on_call = lambda call: order.append(f"bank {call}")
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(old, two_phase=False))
        unit.enlist(FakeParticipant(bank))
    assert order == ["bank prepare", "old commit:one-phase", "bank commit"]
    assert '"last-resource"' in logged(transactions)


def test_a_last_resource_that_refuses_rolls_all_back(transactions: Transactions) -> None:
    old, bank = FakeResource("old"), FakeResource("bank")
    old.on_call = refuse("commit:one-phase")
    with pytest.raises(TransactionError), transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.enlist(FakeParticipant(old, two_phase=False))
    assert bank.calls == ["prepare", "rollback"]
    assert dict(transactions.log.open_units) == {}


@pytest.mark.parametrize("error", [OutcomeUnknown, KeyboardInterrupt])
def test_where_the_last_resource_leaves_it_open_nothing_is_guessed(
    transactions: Transactions, error: type[BaseException]
) -> None:
    old, bank = FakeResource("old"), FakeResource("bank")

    def lose_the_answer(call: str) -> None:
        if call == "commit:one-phase":
            raise OutcomeUnknown(LOST) if error is OutcomeUnknown else error()

    old.on_call = lose_the_answer
    with pytest.raises(OutcomeUnknown) as caught, transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.enlist(FakeParticipant(old, two_phase=False))
    assert caught.value.code == "CF-TX-005"
    assert bank.calls == ["prepare"]
    assert old.calls == ["commit:one-phase"]
    (doubt,) = transactions.unfinished()
    assert (doubt.standing, doubt.in_doubt) == ("last-resource", True)


def test_a_second_resource_that_cant_prepare_is_refused_by_name(transactions: Transactions) -> None:
    with pytest.raises(TransactionError, match=r"old1.*old2") as caught, transactions.unit() as unit:
        unit.enlist(FakeParticipant(FakeResource("old1"), two_phase=False))
        unit.enlist(FakeParticipant(FakeResource("old2"), two_phase=False))
    assert caught.value.code == "CF-TX-002"


def test_a_participant_that_only_read_is_not_called_again(transactions: Transactions) -> None:
    bank, shop, mail = FakeResource("bank"), FakeResource("shop"), FakeResource("mail")
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.enlist(FakeParticipant(shop, read_only=True))
        unit.enlist(FakeParticipant(mail))
    assert shop.calls == ["prepare"]
    assert bank.calls == mail.calls == ["prepare", "commit"]


def test_where_all_before_it_only_read_the_last_one_commits_in_one_phase(transactions: Transactions) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(shop, read_only=True))
        unit.enlist(FakeParticipant(bank))
    assert shop.calls == ["prepare"]
    assert bank.calls == ["commit:one-phase"]
    assert unit.id not in logged(transactions)


def test_a_participant_that_is_in_already_stays_in_once(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    participant = FakeParticipant(bank)
    with transactions.unit() as unit:
        unit.enlist(participant)
        unit.enlist(participant)
    assert bank.calls == ["commit:one-phase"]


def test_a_branch_that_fails_after_the_decision_leaves_the_unit_committed(transactions: Transactions) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    bank.on_call = refuse("commit")
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.enlist(FakeParticipant(shop))
    assert unit.state is UnitState.COMMITTED
    assert shop.calls == ["prepare", "commit"]
    assert [one.standing for one in transactions.unfinished()] == ["commit"]
    bank.on_call = lambda call: None
    transactions.recover("bank", bank)
    assert list(bank.outcomes.values()) == ["committed"]
    transactions.recover("shop", shop)
    assert transactions.unfinished() == ()


def test_marked_for_rollback_it_takes_nobody_in_and_is_rolled_back(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    with pytest.raises(TransactionError, match="marked for rollback") as caught, transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.set_rollback_only()
        assert unit.rollback_only
        assert not unit.active
        with pytest.raises(TransactionError) as refused:
            unit.enlist(FakeParticipant(FakeResource("shop")))
        assert refused.value.code == "CF-TX-004"
    assert caught.value.code == "CF-TX-003"
    assert bank.calls == ["rollback"]


def test_after_its_time_it_can_only_be_rolled_back(transactions: Transactions, clock: FakeClock) -> None:
    bank = FakeResource("bank")
    with pytest.raises(TransactionError, match=r"its time of 30 s is over"), transactions.unit(timeout=30.0) as unit:
        unit.enlist(FakeParticipant(bank))
        clock.now += 29.0
        assert unit.active
        assert unit.remaining == 1.0
        clock.now += 1.0
        assert unit.rollback_only
    assert bank.calls == ["rollback"]


def test_the_time_counts_up_to_the_decision(transactions: Transactions, clock: FakeClock) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")

    def slow(call: str) -> None:
        clock.now += 31.0 if call == "prepare" else 0.0

    shop.on_call = slow
    with pytest.raises(TransactionError), transactions.unit(timeout=30.0) as unit:
        unit.enlist(FakeParticipant(bank))
        unit.enlist(FakeParticipant(shop))
    assert bank.calls == shop.calls == ["prepare", "rollback"]


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_a_time_limit_is_above_nothing(transactions: Transactions, seconds: float) -> None:
    with pytest.raises(TransactionError) as caught:
        transactions.begin(seconds)
    assert caught.value.code == "CF-TX-022"


def test_a_unit_within_a_unit_is_refused_and_the_outer_goes_on(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    with transactions.unit() as outer:
        with pytest.raises(TransactionError) as caught:
            transactions.begin()
        assert caught.value.code == "CF-TX-020"
        assert transactions.current() is outer
        outer.enlist(FakeParticipant(bank))
    assert bank.calls == ["commit:one-phase"]


def test_suspended_it_is_out_of_the_way_of_another_and_goes_on_afterwards(transactions: Transactions) -> None:
    bank, audit = FakeResource("bank"), FakeResource("audit")
    with pytest.raises(Refusal), transactions.unit() as outer:
        outer.enlist(FakeParticipant(bank))
        with transactions.suspended():
            assert transactions.current() is None
            with transactions.unit() as inner:
                inner.enlist(FakeParticipant(audit))
        assert transactions.current() is outer
        raise Refusal
    assert bank.calls == ["rollback"]
    assert audit.calls == ["commit:one-phase"]


def test_a_suspended_unit_is_resumed_on_another_thread(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    transactions.begin().enlist(FakeParticipant(bank))
    suspended = transactions.suspend()

    def end_it() -> None:
        transactions.resume(suspended)
        transactions.commit()

    thread = threading.Thread(target=end_it)
    thread.start()
    thread.join()
    assert bank.calls == ["commit:one-phase"]
    with pytest.raises(TransactionError) as caught:
        transactions.commit()
    assert caught.value.code == "CF-TX-021"


def test_resuming_over_another_unit_is_refused(transactions: Transactions) -> None:
    transactions.begin()
    first = transactions.suspend()
    transactions.begin()
    with pytest.raises(TransactionError) as caught:
        transactions.resume(first)
    assert caught.value.code == "CF-TX-023"
    transactions.rollback()
    transactions.resume(first)
    transactions.rollback()


def test_it_follows_await_and_to_thread_and_not_a_plain_thread(transactions: Transactions) -> None:
    seen: dict[str, object] = {}

    async def work() -> None:
        with transactions.unit() as unit:
            await asyncio.sleep(0)
            seen["await"] = transactions.current() is unit
            seen["to_thread"] = await asyncio.to_thread(transactions.current) is unit
            thread = threading.Thread(target=lambda: seen.update(plain=transactions.current()))
            thread.start()
            thread.join()

    asyncio.run(work())
    assert seen == {"await": True, "to_thread": True, "plain": None}


def test_a_task_left_behind_is_refused_by_the_unit_that_has_ended(transactions: Transactions) -> None:
    async def work() -> TransactionError:
        ended = asyncio.Event()

        async def left_behind() -> TransactionError:
            await ended.wait()
            unit = transactions.current()
            assert unit is not None
            with pytest.raises(TransactionError) as caught:
                unit.enlist(FakeParticipant(FakeResource("bank")))
            with pytest.raises(TransactionError, match="committed"):
                transactions.begin()
            return caught.value

        with transactions.unit():
            task = asyncio.create_task(left_behind())
            await asyncio.sleep(0)
        ended.set()
        return await task

    assert asyncio.run(work()).code == "CF-TX-001"


def test_an_error_after_the_block_has_ended_it_itself_is_what_is_raised(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    with pytest.raises(Refusal), transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.commit()
        raise Refusal
    assert bank.calls == ["commit:one-phase"]


def test_it_ends_once(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    unit = transactions.begin()
    unit.enlist(FakeParticipant(bank))
    transactions.commit()
    for end in (unit.commit, unit.rollback):
        with pytest.raises(TransactionError) as caught:
            end()
        assert caught.value.code == "CF-TX-001"
    assert bank.calls == ["commit:one-phase"]


def test_an_application_joins_a_data_manager_of_its_own(transactions: Transactions) -> None:
    calls: list[str] = []

    class Mail:
        def __getattr__(self, name: str) -> object:
            if name.startswith("_") or name == "sortKey":
                raise AttributeError(name)
            return lambda _transaction: calls.append(name)

        def sortKey(self) -> str:
            return "~mail"

    bank = FakeResource("bank")
    bank.on_call = calls.append
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.manager.get().join(Mail())
    assert calls == ["tpc_begin", "commit", "tpc_vote", "commit:one-phase", "tpc_finish"]


def test_the_transaction_packages_doom_is_heard(transactions: Transactions) -> None:
    with pytest.raises(TransactionError), transactions.unit() as unit:
        unit.manager.doom()
        assert unit.rollback_only
    assert unit.state is UnitState.ROLLED_BACK


def test_actions_at_the_end_come_after_the_participants_the_latest_first(transactions: Transactions) -> None:
    order: list[str] = []
    bank = FakeResource("bank")
    bank.on_call = order.append
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        unit.at_end(lambda outcome: order.append(f"first, {outcome.value}"))
        unit.at_end(lambda outcome: order.append(f"second, {outcome.value}"))
    assert order == ["commit:one-phase", "second, committed", "first, committed"]


def test_one_that_is_over_its_time_and_does_not_end_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    transactions = transactions_in(tmp_path / "t", clock)
    with pytest.raises(TransactionError, match="CF-TX-003"), transactions.unit(timeout=30) as unit:
        transactions.look()
        clock.now += 30
        for _ in range(3):
            transactions.look()
        assert [record.getMessage() for record in caplog.records if unit.id in record.getMessage()] == [
            f"unit {unit.id} is over its time of 30 s and has not ended: it holds its connections and locks until then"
        ]
    transactions.close()
