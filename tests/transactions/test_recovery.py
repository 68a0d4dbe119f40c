"""Recovery: what becomes of branches that are found prepared."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_transactions import (
    FakeParticipant,
    FakeResource,
    WitnessedParticipant,
    WitnessedResource,
    refuse,
    suspended_unit,
    transactions_in,
)

from connector.errors import TransactionError
from connector.transactions.records import BranchRecord, Record, Standing
from connector.transactions.recovery import Verdict, verdict
from connector.transactions.service import Transactions


class Killed(BaseException):
    """The process is gone: nothing more is done by whoever hears it."""


def killed_in(folder: Path, *resources: FakeResource, at: tuple[str, str], last: str = "") -> str:
    """A process that is killed when it calls one resource; answers its unit.

    Only what is outside of it counts afterwards: the folder and the resources.
    """
    transactions = transactions_in(folder)
    unit = suspended_unit(transactions)
    dead = False

    def watch(resource: FakeResource) -> None:
        def on_call(call: str) -> None:
            nonlocal dead
            dead = dead or (resource.name, call) == at
            if dead:
                raise Killed

        resource.on_call = on_call

    for resource in resources:
        watch(resource)
        if resource.name != last:
            unit.enlist(FakeParticipant(resource))
        elif isinstance(resource, WitnessedResource):
            unit.enlist(WitnessedParticipant(resource))
        else:
            unit.enlist(FakeParticipant(resource, two_phase=False))
    log = transactions.log
    decide, note = log.decide, log.note

    def only_alive(record: Record) -> None:
        if dead:
            raise Killed
        (note if record.standing is Standing.DONE else decide)(record)

    log.decide = log.note = only_alive  # type: ignore[method-assign]
    with pytest.raises(BaseException):  # noqa: B017 - the process is gone
        unit.commit()
    assert dead
    for resource in resources:
        resource.on_call = lambda call: None
    transactions.close()
    return unit.id


@pytest.mark.parametrize(
    ("standing", "running", "failed", "expected"),
    [
        (None, False, False, Verdict.ROLL_BACK),
        (Standing.COMMIT, False, False, Verdict.COMMIT),
        (Standing.ROLLBACK, False, False, Verdict.ROLL_BACK),
        (Standing.LAST_RESOURCE, False, False, Verdict.LEAVE),
        (Standing.PREPARED, False, False, Verdict.LEAVE),
        (None, True, False, Verdict.LEAVE),
        (Standing.COMMIT, True, False, Verdict.LEAVE),
        (Standing.COMMIT, False, True, Verdict.LEAVE),
        (None, False, True, Verdict.ROLL_BACK),
    ],
)
def test_the_table_of_verdicts(standing: Standing | None, running: bool, failed: bool, expected: Verdict) -> None:
    record = None if standing is None else Record(standing, "u")
    assert verdict(record, running=running, log_failed=failed) is expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (("bank", "prepare"), "rolled back"),
        (("shop", "prepare"), "rolled back"),
        (("bank", "commit"), "committed"),
        (("shop", "commit"), "committed"),
    ],
)
def test_after_a_kill_all_prepared_branches_end_alike(tmp_path: Path, at: tuple[str, str], expected: str) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    killed_in(tmp_path / "t", bank, shop, at=at)
    again = transactions_in(tmp_path / "t")
    for resource in (bank, shop):
        again.recover(resource.name, resource)
        assert resource.prepared == []
        assert set(resource.outcomes.values()) <= {expected}
    assert again.unfinished() == ()
    assert dict(again.log.open_units) == {}
    again.close()


def test_a_running_unit_is_left_alone(tmp_path: Path) -> None:
    transactions = transactions_in(tmp_path / "t")
    bank, shop = FakeResource("bank"), FakeResource("shop")
    seen: list[list[str]] = []

    def look(call: str) -> None:
        if call == "prepare":
            shop.on_call = lambda call: None
            transactions.recover("bank", bank)
            seen.append(list(bank.prepared))

    shop.on_call = look
    unit = suspended_unit(transactions)
    unit.enlist(FakeParticipant(bank))
    unit.enlist(FakeParticipant(shop))
    unit.commit()
    assert [len(prepared) for prepared in seen] == [1]
    assert list(bank.outcomes.values()) == ["committed"]
    transactions.close()


def test_foreign_branches_are_never_touched(tmp_path: Path) -> None:
    transactions, other = transactions_in(tmp_path / "t"), transactions_in(tmp_path / "other")
    bank = FakeResource("bank")
    bank.prepared = ["a tool's own", other.log.owner.unit(1) + ":1"]
    transactions.recover("bank", bank)
    assert bank.calls == ["in_doubt"]
    transactions.close()
    other.close()


def test_what_cant_be_finished_is_listed_with_the_reason_and_tried_again(tmp_path: Path) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    unit = killed_in(tmp_path / "t", bank, shop, at=("bank", "commit"))
    again = transactions_in(tmp_path / "t")
    bank.on_call = refuse("recover:commit")
    again.recover("bank", bank)
    (left,) = again.unfinished()
    assert (left.unit, left.standing, left.in_doubt) == (unit, "commit", False)
    assert any("bank: commit failed: Refusal" in trouble for trouble in left.trouble)
    assert any("shop: no such resource" in trouble for trouble in left.trouble)
    bank.on_call = lambda call: None
    again.look()
    again.recover("shop", shop)
    assert again.unfinished() == ()
    again.close()


def test_a_resource_that_cant_be_reached_is_asked_again(tmp_path: Path) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    killed_in(tmp_path / "t", bank, shop, at=("shop", "prepare"))
    again = transactions_in(tmp_path / "t")
    bank.on_call = refuse("in_doubt")
    again.recover("bank", bank)
    assert len(bank.prepared) == 1
    bank.on_call = lambda call: None
    again.look()
    assert bank.prepared == []
    again.close()


def test_where_nothing_is_left_nobody_is_asked(tmp_path: Path) -> None:
    transactions = transactions_in(tmp_path / "t")
    bank = FakeResource("bank")
    transactions.recover("bank", bank)
    transactions.look()
    assert bank.calls == ["in_doubt"]
    transactions.look(everywhere=True)
    assert bank.calls == ["in_doubt", "in_doubt"]
    transactions.close()


@pytest.mark.parametrize("commit", [True, False])
def test_an_operator_decides_what_only_the_last_resource_knew(tmp_path: Path, commit: bool) -> None:
    bank, old = FakeResource("bank"), FakeResource("old")
    unit = killed_in(tmp_path / "t", bank, old, at=("old", "commit:one-phase"), last="old")
    again = transactions_in(tmp_path / "t")
    again.recover("bank", bank)
    assert len(bank.prepared) == 1, "nothing was guessed"
    (doubt,) = again.unfinished()
    assert doubt.in_doubt
    assert "old" in doubt.meaning
    again.decide(unit, commit=commit)
    assert list(bank.outcomes.values()) == ["committed" if commit else "rolled back"]
    assert again.unfinished() == ()
    with pytest.raises(TransactionError) as caught:
        again.decide(unit, commit=commit)
    assert caught.value.code == "CF-TX-024"
    again.close()


@pytest.mark.parametrize(("at", "expected"), [("old", "rolled back"), ("bank", "committed")])
def test_a_last_resource_that_can_be_asked_decides_by_itself(tmp_path: Path, at: str, expected: str) -> None:
    bank, old = FakeResource("bank"), WitnessedResource("old")
    call = "commit:one-phase" if at == "old" else "commit"
    killed_in(tmp_path / "t", bank, old, at=(at, call), last="old")
    again = transactions_in(tmp_path / "t")
    again.register("bank", bank)
    again.register("old", old)
    again.look()
    assert list(bank.outcomes.values()) == [expected]
    assert again.unfinished() == ()
    again.close()


def test_an_operator_cant_turn_a_decision(tmp_path: Path) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    unit = killed_in(tmp_path / "t", bank, shop, at=("bank", "commit"))
    again = transactions_in(tmp_path / "t")
    with pytest.raises(TransactionError, match="decided to commit"):
        again.decide(unit, commit=False)
    again.close()


def test_a_unit_whose_resource_is_gone_is_forgotten_on_demand(tmp_path: Path) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    unit = killed_in(tmp_path / "t", bank, shop, at=("bank", "commit"))
    again = transactions_in(tmp_path / "t")
    again.forget(unit)
    assert again.unfinished() == ()
    with pytest.raises(TransactionError, match="doesn't know it"):
        again.forget(unit)
    again.close()


def test_a_failed_rollback_of_what_is_prepared_is_made_up_for(tmp_path: Path) -> None:
    transactions = transactions_in(tmp_path / "t")
    bank, shop = FakeResource("bank"), FakeResource("shop")
    transactions.recover("bank", bank)
    shop.on_call = refuse("prepare")
    bank.on_call = refuse("rollback")
    unit = suspended_unit(transactions)
    unit.enlist(FakeParticipant(bank))
    unit.enlist(FakeParticipant(shop))
    with pytest.raises(TransactionError):
        unit.commit()
    assert len(bank.prepared) == 1
    bank.on_call = refuse("recover:rollback")
    transactions.look()
    (left,) = transactions.unfinished()
    assert left.standing == "presumed-abort"
    bank.on_call = lambda call: None
    transactions.look()
    assert list(bank.outcomes.values()) == ["rolled back"]
    assert transactions.unfinished() == ()
    transactions.close()


def test_a_done_that_was_lost_is_found_out_again(tmp_path: Path) -> None:
    transactions: Transactions = transactions_in(tmp_path / "t")
    unit = transactions.log.owner.unit(1)
    transactions.log.decide(Record(Standing.COMMIT, unit, (BranchRecord(unit + ":1", "bank"),)))
    transactions.close()
    again = transactions_in(tmp_path / "t")
    again.recover("bank", FakeResource("bank"))
    assert dict(again.log.open_units) == {}
    again.close()
