"""Who is connected over one chain: how many clients each user and each address has, and what has been (OPS-2)."""

from __future__ import annotations

from collections import Counter
from typing import Final, final

from connector.errors import MessagingError, Reason
from connector_bus.chains.memory import Memory
from connector_bus.chains.settings import ChainSettings

TOO_MANY_OF_A_USER = Reason(
    "CF-BUS-305",
    "user {user} has {limit} connections over chain {chain}, which is as many as one user may have",
    "Close some, or raise `max_user_connections` of the chain.",
)

#: Why clients are not let in: `limit` of connections, `tls` (no handshake came about), `protocol` (what comes is no
#: AMQP, or out of its order), `time` (they don't say who they are, or open no connection), `sign-on`, `access` (bus,
#: chain or role), `client-id` (in use).
REFUSALS: Final = ("limit", "tls", "protocol", "time", "sign-on", "access", "client-id")
#: Bytes of a client that are taken in one turn. With more, a client waits until all that it has written at once is done
#: with, and so does whoever receives it: they would take turns with the server instead of working beside it.
PORTION: Final = 32768


@final
class Crowd:
    """The clients of one chain. For the chains' loop only; figures may be read from any thread.

    Args:
        chain: What is allowed.

    Attributes:
        memory: What its clients hold in memory together.
        refused: How many were not let in, by why: one of `REFUSALS`.
        let_in: How many were.
        sent_on: How many were told where else to get their bus.
        incoming: What one of them has just written; taken out before the next one's turn.

    Mutable state: all of it.
    """

    def __init__(self, chain: ChainSettings) -> None:
        self.chain = chain
        self.memory = Memory(chain.max_memory)
        self.refused: Counter[str] = Counter()
        self.let_in = 0
        self.sent_on = 0
        self.incoming = memoryview(bytearray(PORTION))
        self._addresses: Counter[str] = Counter()
        self._users: Counter[str] = Counter()

    def come(self, address: str) -> bool:
        """Somebody has come from an address; False where too many are there already. Ends with `go` if not False."""
        if self._addresses[address] >= self.chain.max_address_connections:
            self.refused["limit"] += 1
            return False
        self._addresses[address] += 1
        return True

    def sign_on(self, user: str) -> None:
        """Somebody is let in as a user. Raises MessagingError CF-BUS-305; ends with `sign_off` otherwise."""
        if self._users[user] >= self.chain.max_user_connections:
            self.refused["limit"] += 1
            limit = self.chain.max_user_connections
            raise MessagingError(TOO_MANY_OF_A_USER, user=user or "nobody", limit=limit, chain=self.chain.name)
        self._users[user] += 1
        self.let_in += 1

    def sign_off(self, user: str) -> None:
        """A user's connection has ended."""
        _less(self._users, user)

    def go(self, address: str) -> None:
        """Somebody has gone."""
        _less(self._addresses, address)


def _less(counter: Counter[str], key: str) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
