"""The coordinator under hypothesis: participants of every kind that fail or die at any step, against an oracle.

The oracle knows nothing of the code: it looks at what the resources hold once everything that can be recovered is, and
at what whoever committed was told.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, Phase, event, example, given, settings
from hypothesis import strategies as st
from support_transactions import (
    FakeParticipant,
    FakeResource,
    Refusal,
    WitnessedResource,
    suspended_unit,
    transactions_in,
)

from connector.errors import OutcomeUnknown, Reason, TransactionError
from connector.transactions.records import Record
from connector.transactions.service import Transactions

LOST = Reason("CF-TEST-TX-002", "the answer was lost", "")


class Dead(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Part:
    """One participant, and what goes wrong with it: before or after the call's effect."""

    kind: str  # two-phase, read-only, last, witnessed
    fails: str  # "", or the call that fails
    how: str  # refuses (before its effect), breaks (after it), dies-before, dies-after, lost (after it: OutcomeUnknown)


@st.composite
def parts_of_a_unit(draw: st.DrawFn) -> list[Part]:
    kinds = draw(st.lists(st.sampled_from(["two-phase", "two-phase", "read-only"]), min_size=0, max_size=4))
    last = draw(st.sampled_from(["", "last", "witnessed"]))
    if last:
        kinds.insert(draw(st.integers(0, len(kinds))), last)
    parts = []
    for kind in kinds:
        calls = ["", "", "commit:one-phase"] if kind in ("last", "witnessed") else ["", "", "prepare", "commit"]
        calls.append("rollback")
        parts.append(
            Part(
                kind,
                draw(st.sampled_from(calls)),
                draw(st.sampled_from(["refuses", "breaks", "dies-before", "dies-after"])),
            )
        )
    return parts


class Process:
    """One run of the container; after its death nothing it does has an effect."""

    def __init__(self, folder: Path) -> None:
        self.dead = False
        self.transactions = transactions_in(folder)
        log = self.transactions.log
        decide, note, remember = log.decide, log.note, log.remember

        def alive_decide(record: Record) -> None:
            self.live()
            decide(record)

        def alive_note(record: Record) -> None:
            self.live()
            note(record)

        def alive_remember(resource: str) -> None:
            self.live()
            remember(resource)

        log.decide, log.note, log.remember = alive_decide, alive_note, alive_remember  # type: ignore[method-assign]

    def live(self) -> None:
        if self.dead:
            raise Dead

    def die(self) -> None:
        self.dead = True
        raise Dead


class Failing(FakeParticipant):
    """Does to its resource what the part says."""

    def __init__(self, resource: FakeResource, part: Part, process: Process) -> None:
        super().__init__(
            resource, two_phase=part.kind in ("two-phase", "read-only"), read_only=part.kind == "read-only"
        )
        self.part = part
        self.process = process

    def around(self, call: str, effect: object) -> object:
        self.process.live()
        mine = self.part.fails == call
        if mine and self.part.how == "refuses":
            raise Refusal(call)
        if mine and self.part.how == "dies-before":
            self.process.die()
        result = effect() if callable(effect) else None
        if mine and self.part.how == "dies-after":
            self.process.die()
        if mine and self.part.how == "breaks":
            # After a commit in one phase it is the participant's duty to say that nobody knows.
            raise OutcomeUnknown(LOST) if call == "commit:one-phase" else Refusal(call)
        return result

    def prepare(self, branch: str):  # type: ignore[no-untyped-def]
        return self.around("prepare", lambda: super(Failing, self).prepare(branch))

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        call = "commit:one-phase" if one_phase else "commit"
        self.around(call, lambda: super(Failing, self).commit(branch, one_phase=one_phase))

    def rollback(self, branch: str) -> None:
        self.around("rollback", lambda: super(Failing, self).rollback(branch))


class FailingWitness(Failing):
    """A last resource that can be asked."""

    def evidence(self, branch: str) -> str | None:
        self.process.live()
        return "xid-17"


def told_by(process: Process, resources: list[FakeResource], parts: list[Part]) -> str:
    """What whoever commits is told: committed, rolled back, unknown, or nothing since the process has died."""
    unit = suspended_unit(process.transactions)
    for resource, part in zip(resources, parts, strict=True):
        kind = FailingWitness if part.kind == "witnessed" else Failing
        unit.enlist(kind(resource, part, process))
    try:
        unit.commit()
    except OutcomeUnknown:
        return "nothing" if process.dead else "unknown"
    except TransactionError:
        return "nothing" if process.dead else "rolled back"
    except BaseException:
        if not process.dead:
            raise
        return "nothing"
    return "nothing" if process.dead else "committed"


def recovered(folder: Path, resources: list[FakeResource]) -> Transactions:
    """The next run, after it has looked everywhere."""
    transactions = transactions_in(folder)
    for resource in resources:
        transactions.register(resource.name, resource)
    for _ in range(2):
        transactions.look(everywhere=True)
    return transactions


def has(resource: FakeResource, outcome: str) -> bool:
    return outcome in resource.outcomes.values()


@settings(
    max_examples=400,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow],
)
@example(  # the last resource refuses, some are rolled back, and the process dies
    parts=[
        Part("last", fails="commit:one-phase", how="refuses"),
        Part("two-phase", fails="", how="refuses"),
        Part("two-phase", fails="rollback", how="dies-before"),
    ]
)
@given(parts=parts_of_a_unit())
def test_whatever_fails_all_resources_agree(parts: list[Part]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="connector-tx-"))
    try:
        resources: list[FakeResource] = [
            WitnessedResource(f"r{number}") if part.kind == "witnessed" else FakeResource(f"r{number}")
            for number, part in enumerate(parts)
        ]
        process = Process(folder / "t")
        told = told_by(process, resources, parts)
        process.transactions.close()
        transactions = recovered(folder / "t", resources)
        doubts = [one for one in transactions.unfinished() if one.in_doubt]
        unfinished = transactions.unfinished()
        transactions.close()
        event(told)

        writers = [one for one, part in zip(resources, parts, strict=True) if part.kind != "read-only"]
        last = next((one for one, part in zip(resources, parts, strict=True) if part.kind == "last"), None)
        if doubts:
            event("in doubt")
            # Only a last resource that can't be asked leaves a doubt: all others wait for the operator, prepared.
            assert last is not None
            assert all(one.prepared for one in writers if one is not last)
            assert told in ("nothing", "unknown")
            return
        assert unfinished == (), "what is decided has been done"
        assert not any(one.prepared for one in resources), "nothing is left prepared"
        committed = {has(one, "committed") for one in writers}
        assert len(committed) <= 1, "all or nothing"
        if told == "committed":
            assert committed <= {True}
        if told == "rolled back":
            assert committed <= {False}
    finally:
        shutil.rmtree(folder)
