"""Which engines work on a shared store: epochs, signs of life, and the fencing of those that show none.

Theory of operation
-------------------
An engine that joins gets an *epoch*, a row in `engines`, and holds an advisory lock of that number on a connection of
its own. The lock is how the others see at once that a process was killed: its connection ends, and the lock is free.
A process that is paused keeps its connection; so the row also says when the engine was last seen, and one that was
not seen for the length of the *lease* is fenced as well. All times are the database's.

*Fencing* deletes the row and frees the claims of the epoch in one transaction. Every write of an engine takes a shared
lock on its row first: so a write is before the fencing or is refused, and a paused engine that goes on finds its epoch
over. A transaction that it was paused in is ended by the server (`idle_in_transaction_session_timeout`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, final

from sqlalchemy import Connection, Engine, Row, func, insert, select, text, update
from sqlalchemy.exc import OperationalError

from connector.errors import LoginRefused, MessagingError, Reason
from connector_bus.store.engine_proof import EngineProof
from connector_bus.store.shared_changes import hold, notify
from connector_bus.store.shared_schema import engine_epoch, engines, messages

ENGINE_TWICE = Reason(
    "CF-BUS-082",
    "an engine of the name {engine} is at work on {store} already",
    "Give each container that shares the store a name of its own, or end the other one.",
)
OTHER_ENGINE = Reason(
    "CF-BUS-453",
    "engine {engine} does not present the same inter-engine alias as engine {other}, which is at work on {store}",
    "Give each container of the bus the same inter_engine_alias, with the same user and password; to change it, end all"
    " engines first.",
)

#: Seconds that an engine that joins waits for the end of one of its name.
FORMER_SECONDS = 2

_LOG = logging.getLogger("connector_bus.store")

_KEY = "hashtext(current_schema())"
#: Fencing is done by one engine at a time; no epoch has the number 0.
_ALONE = text(f"SELECT pg_advisory_xact_lock({_KEY}, 0)")
_WAIT_FOR_END = text(f"SELECT pg_advisory_xact_lock({_KEY}, CAST(:epoch AS integer))")
_IS_FREE = text(f"SELECT pg_try_advisory_xact_lock({_KEY}, CAST(:epoch AS integer))")
_OTHERS = select(
    engines.c.epoch,
    engines.c.name,
    engines.c.proof,
    (engines.c.seen < func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, text(":lease"))).label("late"),
)


@final
class Membership:
    """One engine's membership. Used by one thread at a time but for `epoch`, which any may read.

    Args:
        writing: Connections to the store.
        name: The engine's name, unique among the store's engines.
        place: How errors name the store.
        channel: Where others are told of what becomes free.
        lease: Seconds after which an engine that was not seen is fenced.
        proof: Which engines belong together (CHAIN-4).

    Mutable state: `epoch`.
    """

    def __init__(self, writing: Engine, name: str, place: str, channel: str, lease: float, proof: EngineProof) -> None:
        self._writing = writing
        self._name = name
        self._place = place
        self._channel = channel
        self._lease = lease
        self._proof = proof
        self.epoch = 0

    def join(self, lock_holder: Any) -> None:
        """Begin an epoch; blocks for the database.

        Args:
            lock_holder: A driver's connection in autocommit mode, on which the epoch's lock is held while it lives.

        Raises MessagingError CF-BUS-082 where an engine of the same name is alive, LoginRefused CF-BUS-453 where one is
        with another inter-engine alias, or this one alone has one, or has none.
        """
        proof = self._proof.make()  # which takes a while: before any lock is held
        with self._writing.begin() as connection:
            epoch = int(connection.execute(select(engine_epoch.next_value())).scalar_one())
        lock_holder.execute(f"SELECT pg_try_advisory_lock({_KEY}, %s::integer)", (epoch,))
        with self._writing.begin() as connection:
            connection.execute(_ALONE)
            for other in self._others(connection):
                if other.name == self._name:
                    self._end_former(connection, other)
                elif not self._proof.accepts(other.proof) and not self._is_dead(connection, other):
                    raise LoginRefused(OTHER_ENGINE, engine=self._name, other=other.name, store=self._place)
            connection.execute(insert(engines).values(epoch=epoch, name=self._name, proof=proof))
        self.epoch = epoch

    def look(self) -> bool:
        """Show a sign of life, and fence who shows none. Blocks for the database. False: it was itself fenced."""
        with self._writing.begin() as connection:
            seen = update(engines).where(engines.c.epoch == self.epoch).values(seen=func.clock_timestamp())
            if not connection.execute(seen).rowcount:
                return False
        with self._writing.begin() as connection:
            connection.execute(_ALONE)
            hold(connection, self.epoch, self._place)
            for other in self._others(connection):
                if other.epoch == self.epoch:
                    continue
                if self._is_dead(connection, other):
                    self._fence(connection, other)
                elif not self._proof.accepts(other.proof):
                    # It has not looked, or has not cared, who is here already.
                    self._fence(connection, other, "is not authenticated by the inter-engine alias")
        return True

    def leave(self) -> None:
        """End the epoch in an orderly way: its claims are free at once. Blocks for the database."""
        with self._writing.begin() as connection:
            self._end(connection, self.epoch)

    def _end_former(self, connection: Connection, former: Row[Any]) -> None:
        """End the epoch of an engine of our name: our own one before, or that of a process that has ended."""
        if former.epoch != self.epoch and not former.late:
            # A killed process's connection may take the server a moment to notice.
            connection.execute(text(f"SET LOCAL lock_timeout TO {FORMER_SECONDS * 1000}"))
            try:
                connection.execute(_WAIT_FOR_END, {"epoch": former.epoch})
            except OperationalError as error:
                raise MessagingError(ENGINE_TWICE, engine=self._name, store=self._place) from error
            connection.execute(text("SET LOCAL lock_timeout TO 0"))
        self._end(connection, former.epoch)

    def _others(self, connection: Connection) -> Sequence[Any]:
        return connection.execute(_OTHERS, {"lease": self._lease}).all()

    def _is_dead(self, connection: Connection, other: Row[Any]) -> bool:
        return bool(other.late or connection.execute(_IS_FREE, {"epoch": other.epoch}).scalar())

    def _fence(self, connection: Connection, other: Row[Any], why: str = "shows no sign of life") -> None:
        if self._end(connection, other.epoch):
            _LOG.warning("%s: engine %s %s and was fenced", self._place, other.name, why)

    def _end(self, connection: Connection, epoch: int) -> bool:
        """End an epoch, unless somebody else has; waits for the epoch's own transactions under way."""
        if not connection.execute(engines.delete().where(engines.c.epoch == epoch)).rowcount:
            return False
        freed = update(messages).where(messages.c.claimed_by == epoch).values(claimed_by=None)
        destinations = set(connection.scalars(freed.returning(messages.c.destination)))
        notify(connection, self._channel, destinations)
        return True
