"""Transactions as adapters take part in them: participant, unit of work, transaction service, recovery (FLOW-8).

A unit of work spans whatever is done in it on several resources. It ends in two phases: every participant is asked to
`prepare`, the decision is logged, then all `commit`; or, where one votes no, all roll back. A participant alone commits
in one phase. At most one participant of a unit may be of the kind that can't prepare (`two_phase` is False): it commits
last, in the place of the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol, runtime_checkable


class Vote(Enum):
    """A participant's answer to `prepare`; to vote no it raises."""

    PREPARED = "prepared"  # it can commit and can roll back, whatever befalls it, its process and its machine
    READ_ONLY = "read-only"  # it has changed nothing and has let go: neither `commit` nor `rollback` is called


class TransactionParticipant(Protocol):
    """What one resource does within one unit of work: one branch of the transaction.

    Called by one thread at a time, not always the one that did the work. Each method may block for a round trip.
    """

    @property
    def resource(self) -> str:
        """A stable name, of a resource or a bus, under which the branch is found again after a restart."""
        ...

    @property
    def two_phase(self) -> bool:
        """Whether it can `prepare`; False: it can only commit or roll back at once (a last resource)."""
        ...

    def prepare(self, branch: str) -> Vote:
        """Make sure that the branch can be committed; after PREPARED it outlives a kill of the process.

        Args:
            branch: The branch's identifier, at most 150 characters of printable ASCII without quotes.

        Raises anything at all to vote no: the unit is rolled back, `rollback` of this participant included.
        """
        ...

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """Commit: what was prepared, or, with `one_phase`, all of it at once without a `prepare` before.

        What it raises after a `prepare` leaves the branch in doubt, to be finished by recovery. With `one_phase` it
        means that the unit is rolled back; but OutcomeUnknown means that the answer was lost on the way: then nothing
        is guessed, what others have prepared stays so.
        """
        ...

    def rollback(self, branch: str) -> None:
        """Undo, prepared or not. Called after a failed `prepare` as well; what it raises is logged."""
        ...


@runtime_checkable
class OutcomeWitness(Protocol):
    """What a last resource may have besides: it can be asked after a kill whether it has committed."""

    def evidence(self, branch: str) -> str | None:
        """What `OutcomeArchive.has_committed` finds the branch's outcome by; asked just before the commit, and logged.

        May block for a round trip. None: it can't be found this time. Raising rolls the unit back.
        """
        ...


class UnitOfWork(Protocol):
    """The unit of work in force on a thread or task. Safe to use from any thread; ends once."""

    @property
    def id(self) -> str:
        """Unique, also over restarts."""
        ...

    @property
    def remaining(self) -> float | None:
        """Seconds until it times out, then 0.0; None without a limit. Not negative."""
        ...

    @property
    def active(self) -> bool:
        """Whether it can still be worked in: neither ended, nor ending, nor rollback-only."""
        ...

    @property
    def rollback_only(self) -> bool:
        """Whether it can only be rolled back any more."""
        ...

    def enlist(self, participant: TransactionParticipant) -> None:
        """Take part in it; a participant that is in it already stays in it once. Does not block.

        Raises TransactionError where the unit has ended or can only be rolled back, and where a second participant
        can't prepare.
        """
        ...

    def set_rollback_only(self) -> None:
        """Whatever comes, it is rolled back at its end. Does not block; harmless after the end."""
        ...


class TransactionService(Protocol):
    """The container's transactions, as an adapter sees them. Safe to use from any thread."""

    def current(self) -> UnitOfWork | None:
        """The unit of work in force on the running thread or task; None where there is none. Does not block."""
        ...

    @property
    def terminator(self) -> TransactionTerminator:
        """What ends imported transactions, for the adapter that their superior speaks to."""
        ...

    def recover(self, resource: str, branches: RecoverableBranches) -> None:
        """Have the branches of a resource finished that a killed process left prepared; and remember how to ask again.

        Called by an adapter when a resource that may hold some can be reached. May block for as long as that takes;
        what can't be finished now is tried again later, and is listed by `connector transactions list`.
        """
        ...

    def register(self, resource: str, branches: RecoverableBranches) -> None:
        """As `recover`, but the resource is asked later, and only if something was ever prepared there.

        For an adapter that knows of nothing to finish when it starts. Does not block, but for the disk where there is
        a log of decisions.
        """
        ...


class TransactionTerminator(Protocol):
    """Ends imported transactions, as their superior has decided. Safe to use from any thread.

    Each method raises TransactionError while a work of the transaction is under way, and for one that isn't known: it
    has been ended, or a restart has rolled it back since it was not prepared.
    """

    def prepare(self, xid: str) -> Vote:
        """Phase one. PREPARED outlives a kill: it stays until the superior has decided; READ_ONLY has ended.

        Blocks for all participants and for the disk. Raises TransactionError: it was rolled back.
        """
        ...

    def commit(self, xid: str, *, one_phase: bool = False) -> None:
        """Commit what is prepared, also before a restart; or all of it with `one_phase`, without a `prepare` before.

        Blocks for all participants and for the disk. Raises TransactionError: with `one_phase` it was rolled back, else
        it stays prepared.
        """
        ...

    def rollback(self, xid: str) -> None:
        """Roll back, prepared or not. Blocks as `commit`."""
        ...

    def in_doubt(self) -> Sequence[str]:
        """The transactions that are prepared and wait for their superior. Does not block."""
        ...


class RecoverableBranches(Protocol):
    """One resource's prepared branches, after a restart. Called by one thread at a time."""

    def in_doubt(self) -> Sequence[str]:
        """The identifiers of all branches that are prepared there; others than this container's are left alone.

        May block. What it raises means that the resource can't be asked now: it is asked again later.
        """
        ...

    def commit(self, branch: str) -> None:
        """Commit one; harmless for one that is gone. May block; where it raises it is tried again later."""
        ...

    def rollback(self, branch: str) -> None:
        """Roll one back; harmless for one that is gone. May block and raise as `commit`."""
        ...


@runtime_checkable
class OutcomeArchive(Protocol):
    """What RecoverableBranches have besides where the resource's participants are an OutcomeWitness."""

    def has_committed(self, branch: str, evidence: str) -> bool | None:
        """Whether a last resource's branch was committed; None where that can't be found out any more. May block."""
        ...
