"""The local transactions of one connection: what is sent and settled in each is done as one unit, or not at all.

Theory of operation
-------------------
A unit collects: messages that were checked and stamped, and deliveries with what the client wants to become of them.
With the discharge both go to the engine as one unit of its store. Until then nothing that was sent is seen, and what
was received stays claimed. Whatever ends a unit otherwise (the client, its coordinator link, its connection, the time)
undoes it: nothing was sent, and what was received goes back.

Who may do what is checked as it comes, and once more with the discharge: a right that was taken away meanwhile, or a
message that was refused, makes the whole unit fail.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.conditions import RESOURCE_LIMIT, Refusal, refusal_of
from connector_bus.chains.extensions import ACCEPTED, MODIFIED, REJECTED, Outcome
from connector_bus.engine.delivery_unit import Receipt
from connector_bus.store.record import StoredMessage

ROLLED_BACK = Reason(
    "CF-BUS-300",
    "the client that received the message has rolled back its transaction",
    "Look into the client; the message is delivered again, or stands in the exception destination.",
)
TOO_MANY_UNITS = Reason(
    "CF-BUS-301", "a connection has at most {limit} open transactions", "End some of them, or use another connection."
)
TIMED_OUT = Reason(
    "CF-BUS-302",
    "the transaction was open for more than {seconds} seconds and was rolled back",
    "End transactions sooner, or raise `transaction_timeout` of chain {chain}.",
)
UNKNOWN = Reason(
    "CF-BUS-303", "there is no such transaction on this connection", "Declare one, and use it until it is discharged."
)

ROLLBACK: Final = "amqp:transaction:rollback"
TIMEOUT: Final = "amqp:transaction:timeout"
UNKNOWN_ID: Final = "amqp:transaction:unknown-id"
#: Open transactions of one connection.
MAX_UNITS: Final = 100
#: What a message takes in memory beside its own bytes.
OVERHEAD: Final = 1000

Ended = Callable[[Refusal | None], None]


class Claimed(Protocol):
    """A delivery whose outcome waits for a transaction."""

    @property
    def receipt(self) -> Receipt:
        """Which message it is, and of which queue."""
        ...

    @property
    def outcome(self) -> Outcome:
        """What is to become of it."""
        ...

    def recheck(self) -> None:
        """Raise AccessDenied where the user may not receive it any more."""

    def committed(self) -> None:
        """It has become that."""

    def undone(self, error: ConnectorError | None) -> None:
        """It has not; with an error, the delivery has failed."""


@final
class Unit:
    """One transaction. For the chain's loop only.

    Args:
        identifier: Its identifier.
        side: The bus.

    Attributes:
        identifier: As given.
        refusal: The first message that was refused in it, if any: it can't be committed any more.

    Mutable state: `refusal`, `_sends`, `_names` that they were sent to, `_claims`, `_size`.
    """

    def __init__(self, identifier: bytes, side: BusSide) -> None:
        self.identifier = identifier
        self.refusal: Refusal | None = None
        self._side = side
        self._sends: list[StoredMessage] = []
        self._names: set[str] = set()
        self._claims: list[Claimed] = []
        self._size = 0

    def send(self, name: str, stored: Sequence[StoredMessage], size: int) -> bool:
        """Have a message that was sent to a name sent with it, in all its copies.

        `size` bytes that it takes in memory are its own from now on. False where there is no memory for it.
        """
        if not self._side.memory.take(OVERHEAD):
            return False
        self._sends.extend(stored)
        self._names.add(name)
        self._size += size + OVERHEAD
        return True

    def claim(self, claimed: Claimed) -> None:
        """Have a delivery settled with it."""
        self._claims.append(claimed)

    def refuse(self, refusal: Refusal) -> None:
        """A message of it was refused."""
        self.refusal = self.refusal or refusal

    def commit(self, ended: Ended) -> None:
        """Do all of it; `ended` hears of it on the loop."""
        try:
            if self.refusal is None:
                self._recheck()
        except ConnectorError as error:
            self.refusal = refusal_of(error)
        if self.refusal is not None:
            refusal = Refusal(ROLLBACK, self.refusal.description)
            self.undo(None)
            ended(refusal)
            return
        receipts = [each.receipt for each in self._claims if each.outcome.code == ACCEPTED]

        def written(error: BaseException | None) -> None:
            if error is not None:
                self.undo(None)
                ended(Refusal(ROLLBACK, refusal_of(error).description))
                return
            self._forget_sends()
            claims, self._claims = self._claims, []
            for each in claims:
                each.committed()
            ended(None)

        self._side.writing.commit(tuple(self._sends), tuple(receipts), written)

    def undo(self, error: ConnectorError | None) -> None:
        """Do nothing of it; with an error, what was received in it counts as failed."""
        self._forget_sends()
        claims, self._claims = self._claims, []
        for each in claims:
            each.undone(error)

    def _recheck(self) -> None:
        for name in self._names:
            self._side.may_send(name)
        for each in self._claims:
            each.recheck()

    def _forget_sends(self) -> None:
        self._side.memory.give_back(self._size)
        self._sends, self._size = [], 0
        self._names.clear()


@final
class Units:
    """All transactions of one connection. For the chain's loop only.

    Args:
        side: The bus.

    Mutable state: `_open`, from the identifier to the unit, whom it belongs to and its timer; `_late`, the identifiers
    of those whose time was up.
    """

    def __init__(self, side: BusSide) -> None:
        self._side = side
        self._open: dict[bytes, tuple[Unit, object, Any]] = {}
        self._late: list[bytes] = []

    def declare(self, owner: object) -> bytes:
        """Begin one. Raises MessagingError CF-BUS-301."""
        if len(self._open) >= MAX_UNITS:
            raise MessagingError(TOO_MANY_UNITS, limit=MAX_UNITS)
        identifier = secrets.token_bytes(16)
        timer = self._side.later(self._side.chain.transaction_timeout, lambda: self._expire(identifier))
        self._open[identifier] = (Unit(identifier, self._side), owner, timer)
        return identifier

    def get(self, identifier: bytes) -> Unit | None:
        """One that is open."""
        found = self._open.get(identifier)
        return None if found is None else found[0]

    def unknown(self, identifier: bytes) -> Refusal:
        """What is said of one that is not."""
        if identifier in self._late:
            seconds, chain = self._side.chain.transaction_timeout, self._side.chain.name
            return Refusal(TIMEOUT, str(MessagingError(TIMED_OUT, seconds=f"{seconds:g}", chain=chain)))
        return Refusal(UNKNOWN_ID, str(MessagingError(UNKNOWN)))

    def discharge(self, identifier: bytes, *, fail: bool, ended: Ended) -> None:
        """End one as the client wants it; `ended` hears of it on the loop, with a refusal where it was undone."""
        found = self._open.pop(identifier, None)
        if found is None:
            ended(self.unknown(identifier))
            return
        unit, _, timer = found
        timer.cancel()
        if fail:
            unit.undo(MessagingError(ROLLED_BACK))
            ended(None)
        else:
            unit.commit(ended)

    def close(self, owner: object | None = None) -> None:
        """Undo those of one owner, or all: nobody can discharge them any more."""
        for identifier in [key for key, found in self._open.items() if owner is None or found[1] is owner]:
            unit, _, timer = self._open.pop(identifier)
            timer.cancel()
            unit.undo(None)

    def _expire(self, identifier: bytes) -> None:
        found = self._open.pop(identifier, None)
        if found is not None:
            self._late = [*self._late[-MAX_UNITS:], identifier]
            found[0].undo(None)


def carry_out(outcome: Outcome, side: BusSide, receipt: Receipt, failure: Callable[[str], ConnectorError]) -> None:
    """Have become of a delivery what the client says, unless it has accepted it."""
    queue, entry = receipt
    if outcome.code == REJECTED:
        side.failed(queue, entry, failure("rejected"), permanent=True)
    elif outcome.code == MODIFIED and outcome.failed:
        side.failed(queue, entry, failure("could not process"), permanent=False)
    else:
        queue.release(entry)


def limit_refusal(error: ConnectorError) -> Refusal:
    """Of a limit that a client has reached."""
    return Refusal(RESOURCE_LIMIT, str(error))
