"""One session of an engine of another bus with this one (BUS-9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, final

from connector.errors import ConnectionFailed, Reason
from connector_bus.engine.rooms import FULL
from connector_bus.links.exploration import Question, Stage
from connector_bus.links.line import Line
from connector_bus.links.transfer import ACCEPTED, Answer, Login, Outcome, Transfer

if TYPE_CHECKING:
    from connector_bus.links.receiver import LinkReceiver

SUPERSEDED = Reason(
    "CF-BUS-205",
    "this session of the link from bus {peer} to bus {bus} is over",
    "The engine has opened another one, or the link has changed; it goes on with a new session.",
)


@final
class ReceiverSession:
    """The receiving end of one session; implements `connector_bus.links.contract.LinkSession`.

    Attributes:
        peer: The bus at the other end.
        authenticated: Whether its engine is.
        on_end: Called, from any thread and perhaps more than once, when the session is ended from this side; for
            whoever holds a connection open for it. Must not block.
    """

    def __init__(self, receiver: LinkReceiver, line: Line, login: Login, *, authenticated: bool) -> None:
        self.peer = login.bus
        self.authenticated = authenticated
        self.on_end: Callable[[], None] = lambda: None
        self._receiver = receiver
        self._line = line
        self._login = login

    @property
    def is_within(self) -> bool:
        """Whether the engine at the other end is of this container."""
        return self._login.is_within

    @property
    def endpoint(self) -> str:
        """See the contract."""
        return "this container"

    def held(self) -> frozenset[str]:
        """See the contract."""
        with self._line.taking:
            self._require_newest()
            return frozenset(self._line.seen)

    def transfer(self, batch: Sequence[Transfer], forget: Collection[str] = ()) -> Sequence[Answer]:
        """See the contract."""
        answers: list[Answer] = []
        wait = True
        # One at a time on each link, and by the newest session of an engine only: a message that an older session
        # still has in its hands must not come after it has been forgotten.
        with self._line.taking:
            self._require_newest()
            self._receiver.forget(self.peer, self._line.seen, forget)
            while len(answers) < len(batch):
                self._require_newest()
                rest = batch[len(answers) :]
                if rest[0].id in self._line.seen:
                    answers.append(ACCEPTED)
                    continue
                for each, answer in zip(
                    rest, self._receiver.take_first(self, self._fresh(rest), wait=wait), strict=False
                ):
                    answers.append(answer)
                    if answer.outcome is Outcome.BLOCKED:
                        return answers
                    self._line.seen.add(each.id)
                    # Where one has waited in vain, the rest does not: the other side waits for the answer.
                    wait = wait and answer.code != FULL.code
        return answers

    def _fresh(self, transfers: Sequence[Transfer]) -> Sequence[Transfer]:
        """The first ones, as long as none was taken over before, nor comes twice among them."""
        met: set[str] = set()
        for number, each in enumerate(transfers):
            if each.id in self._line.seen or each.id in met:
                return transfers[:number]
            met.add(each.id)
        return transfers

    def explore(self, question: Question) -> Sequence[Stage]:
        """See the contract."""
        self._require_newest()
        return self._receiver.explore(self, question)

    def close(self) -> None:
        """See the contract. Does not block."""
        self._line.end(self._login.engine, self)

    def _require_newest(self) -> None:
        if not self._line.is_newest(self._login.engine, self):
            raise ConnectionFailed(SUPERSEDED, peer=self.peer, bus=self._login.to)
