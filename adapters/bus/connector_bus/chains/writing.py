"""What one connection has stored and removed: handed in bit by bit, written together where that can be (CHAIN-6)."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final, final

from connector.errors import ConnectorError
from connector_bus.chains.inbox import Inbox
from connector_bus.engine.delivery_unit import Receipt
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.store.record import StoredMessage
from connector_bus.store.unit import StoreUnit
from connector_bus.store.unread import Unread

#: Called on the chain's loop once something is written, or with the reason why it isn't.
Done = Callable[[BaseException | None], None]
#: Does what blocks on another thread; what is called on the loop afterwards gets its result or error.
Apart = Callable[[Callable[[], Any], Callable[[Any, BaseException | None], None]], None]

_HandedIn = tuple[Sequence[StoredMessage], Sequence[Receipt], Done]
_Admitted = tuple[Sequence[StoredMessage], Counter[str]] | ConnectorError
_MEMORY: Final = object()


@final
class Writing:
    """One connection's way to the store. For the chain's loop only; nothing here waits.

    Args:
        engine: The bus's engine.
        inbox: Where what other threads have done is heard of.
        apart: Does what blocks.

    Mutable state: `_waiting`, what is handed in until the loop has its next turn; `_asking`, whether what was handed in
    before is being admitted on another thread.
    """

    __slots__ = ("_apart", "_asking", "_engine", "_inbox", "_waiting")

    def __init__(self, engine: BusEngine, inbox: Inbox, apart: Apart) -> None:
        self._engine = engine
        self._inbox = inbox
        self._apart = apart
        self._waiting: list[_HandedIn] = []
        self._asking = False

    def commit(self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt], done: Done) -> None:
        """Have arrivals stored and what was settled removed, as one unit; `done` is called on the loop afterwards.

        What is handed in during one turn of the loop goes to the store together: that makes the difference between one
        transaction's cost for each message and one for what a client sends at once.
        """
        self._waiting.append((sends, receipts, done))
        if len(self._waiting) == 1:
            self._inbox.put(self._commit_waiting)

    def _commit_waiting(self) -> None:
        if self._asking or not self._waiting:
            return  # what was handed in first goes first
        waiting, self._waiting = self._waiting, []
        engine = self._engine
        if any(engine.may_block(sends) for sends, _, _ in waiting):
            self._asking = True
            self._apart(
                lambda: [self._admitted(*each[:2]) for each in waiting], functools.partial(self._asked, waiting)
            )
            return
        groups: dict[object, list[_HandedIn]] = {}
        if len(waiting) > 1 and not engine.has_limits:  # where a place has to be had, each is told for itself
            for each in waiting:
                groups.setdefault(self._kind(each), []).append(each)
            waiting = groups.pop(None, [])
        for sends, receipts, done in waiting:
            self._commit(sends, receipts, done)
        for group in groups.values():
            self._commit_all(group)

    def _asked(self, waiting: Sequence[_HandedIn], admitted: Sequence[_Admitted], error: BaseException | None) -> None:
        """On the loop again: the registry has said who gets what is published, or that it can't."""
        self._asking = False
        if error is not None:
            for _, _, done in waiting:
                done(error)
        else:
            for (_, receipts, done), each in zip(waiting, admitted, strict=True):
                if isinstance(each, ConnectorError):
                    done(each)
                else:
                    self._store(*each, receipts, done)
        self._commit_waiting()

    def _admitted(self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt]) -> _Admitted:
        """What is to be stored, and the places for it; or why not. Nobody waits for a place: a client is refused at
        once, and may send again.
        """
        try:
            return self._engine.admit(sends, receipts, wait=False)
        except ConnectorError as error:
            return error

    def _kind(self, handed_in: _HandedIn) -> object:
        """What can be one unit: what only lives in memory; and what is of one claim; None for what is best alone."""
        sends, receipts, _ = handed_in
        if not sends and len(receipts) == 1:
            entry = receipts[0][1]
            return _MEMORY if entry.in_memory else entry.claim
        if len(sends) == 1 and not receipts:
            return _MEMORY if self._engine.stays_in_memory(sends[0]) else 0
        try:
            unit = self._engine.store_unit(sends, receipts)
        except ConnectorError:
            return None
        return _MEMORY if unit.is_empty else unit.claim

    def _commit_all(self, group: Sequence[_HandedIn]) -> None:
        def done(error: BaseException | None) -> None:
            if error is None:
                for each in group:
                    each[2](None)
            elif len(group) == 1:
                group[0][2](error)
            else:  # each fails for its own reasons only
                for each in group:
                    self._commit(*each)

        sends = [stored for each in group for stored in each[0]]
        receipts = [receipt for each in group for receipt in each[1]]
        self._commit(sends, receipts, done)

    def _commit(self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt], done: Done) -> None:
        admitted = self._admitted(sends, receipts)
        if isinstance(admitted, ConnectorError):
            done(admitted)
        else:
            self._store(*admitted, receipts, done)

    def _store(
        self, sends: Sequence[StoredMessage], needed: Counter[str], receipts: Sequence[Receipt], done: Done
    ) -> None:
        engine = self._engine
        try:
            unit = engine.store_unit(sends, receipts)
            if unit.is_empty:  # some messages live in memory only
                engine.settled(sends, receipts)
                engine.rooms.entered(needed)
                done(None)
                return
            future = engine.store.submit(unit)
        except ConnectorError as error:
            engine.rooms.entered(needed)
            done(error)
            return

        def written(outcome: Future[None]) -> None:
            error = outcome.exception()
            if error is None:
                engine.settled(sends, receipts)
            engine.rooms.entered(needed)
            self._inbox.put(functools.partial(done, error))

        future.add_done_callback(written)

    def keep(self, name: str, messages: Sequence[Unread], done: Done) -> None:
        """Have messages that came over the wire together stored, and then shown on their queue; `done` as above."""
        show = functools.partial(self._engine.show_kept, name, messages)
        self._write(StoreUnit(unread=tuple(messages)), show, done)

    def remove(self, queue: MessageQueue, entries: Sequence[Entry], done: Done) -> None:
        """Have messages that were settled together removed; `done` as above. Not for a store that engines share."""
        unit = StoreUnit(remove=tuple([entry.sequence for entry in entries]))
        self._write(unit, functools.partial(queue.remove_all, entries), done)

    def _write(self, unit: StoreUnit, then: Callable[[], None], done: Done) -> None:
        try:
            future = self._engine.store.submit(unit)
        except ConnectorError as error:
            done(error)
            return

        def written(outcome: Future[None]) -> None:
            error = outcome.exception()
            if error is None:
                then()
            self._inbox.put(functools.partial(done, error))

        future.add_done_callback(written)
