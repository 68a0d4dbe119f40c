"""The sending end of a link: takes messages off the transmission queue and hands them over (BUS-9).

Theory of operation
-------------------
A message is removed from the transmission queue only after the other side has stored it, together with the transfer's
identifier. Whatever is killed in between, the message is sent again with the same identifier, and the other side
answers that it has it. Once it is removed here the other side is told, with the next batch, to forget the identifier;
what was not told any more is found out when a session begins, by asking what the other side still holds.

There is one batch under way at a time, so the order of the queue is kept. Nobody waits in a thread: messages that come
start a work, which goes on until there are none left. After a failure the consumer is held, each time for longer.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from connector.errors import ConnectorError, MessagingError, WorkRejected
from connector.spi import UNAUTHENTICATED, AuthenticationData, WorkEvent, WorkEventKind, WorkManager
from connector_bus.engine.consumer import Consumer, Taken
from connector_bus.engine.engine import MESSAGE_GONE, BusEngine
from connector_bus.links.contract import LinkSession, LinkTransport
from connector_bus.links.exploration import Question, Stage
from connector_bus.links.framing import LINK_LOST
from connector_bus.links.identity import leaving_as
from connector_bus.links.returned import Returns
from connector_bus.links.transfer import Answer, Login, Outcome, Transfer
from connector_bus.settings import LinkSettings, transmission_queue
from connector_bus.store.record import StoredMessage

#: How many messages are handed over at once, and after how many bytes of bodies no more are added.
BATCH: Final = 64
BATCH_BYTES: Final = 4 * 1024 * 1024

_LOG = logging.getLogger("connector_bus.links")


@dataclass(frozen=True, slots=True)
class LinkState:
    """How a link is.

    Attributes:
        state: `stopped`, `idle` (nothing was sent yet), `connected`, `retrying` or `blocked`.
        code: Why it is retrying or blocked.
        text: Why, in words.
        sent: How many messages the other side has accepted since the start.
        refused: How many it has put into an exception destination, or dropped.
        endpoint: Where the other bus is connected to; empty where it isn't.
        failed_at: When it failed last, in seconds since 1970; None where it has not since its start.
        retry_in: Seconds until it tries again; None where it waits for nothing.
    """

    state: str
    code: str
    text: str
    sent: int
    refused: int
    endpoint: str = ""
    failed_at: float | None = None
    retry_in: float | None = None


@final
class _Run:
    """From one start of a link to its stop: what it has taken off the queue and not handed over yet.

    Mutable state: `waiting` and `is_working`, under the sender's lock.
    """

    def __init__(self) -> None:
        self.consumer: Consumer
        self.waiting: deque[Taken] = deque()
        self.is_working = False


@final
class LinkSender:
    """Sends what waits for one other bus. Safe to use from any thread.

    Args:
        engine: The engine.
        to: The bus at the other end.
        settings: The link.
        transport: How the other bus is reached.
        name: This engine's name, for the other side.
        realm: The container's realm.
        authentication_data: User and password of an alias.
        work_manager: Runs the transfers.
        returns: Puts aside what comes back.

    Mutable state: `_present`, `_settings`, `_transport`, `_state`, `_error`, `_endpoint`, `_failed_at`, `_retry_at`,
    `_sent` and `_refused`, changed under `_lock`; `_session`, `_session_for` and `_to_forget`, by the one work that
    runs.
    """

    def __init__(
        self,
        engine: BusEngine,
        to: str,
        settings: LinkSettings,
        transport: LinkTransport,
        *,
        name: str,
        realm: str,
        authentication_data: Callable[[str], AuthenticationData],
        work_manager: WorkManager,
        returns: Returns,
    ) -> None:
        self.to = to
        self._engine = engine
        self._settings = settings
        self._transport = transport
        self._name = name
        self._realm = realm
        self._authentication_data = authentication_data
        self._work_manager = work_manager
        self._returns = returns
        self._lock = threading.Lock()
        self._present: _Run | None = None
        self._session: LinkSession | None = None
        self._session_for = settings
        self._to_forget: set[str] = set()
        self._state, self._error = "idle", ("", "")
        self._sent = self._refused = 0
        self._endpoint = ""
        self._failed_at: float | None = None
        self._retry_at: float | None = None

    @property
    def settings(self) -> LinkSettings:
        """The link as it is in force."""
        return self._settings

    def state(self) -> LinkState:
        """How it is. Does not block."""
        with self._lock:
            run = self._present
            state = "stopped" if run is None or run.consumer.is_stopped else self._state
            waits = self._retry_at is not None and state in ("retrying", "blocked")
            retry_in = max(0.0, (self._retry_at or 0.0) - self._engine.clock.monotonic()) if waits else None
            counts = (self._sent, self._refused)
            return LinkState(state, *self._error, *counts, self._endpoint, self._failed_at, retry_in)

    def start(self) -> None:
        """Begin, or go on. Does not block. Harmless when it is started."""
        queue = self._engine.destinations.get(transmission_queue(self.to)).queue
        with self._lock:
            before = self._present
            if before is not None and not before.consumer.is_stopped:
                return
            self._state, self._error = "idle", ("", "")
            run = _Run()
            run.consumer = Consumer(queue, BATCH, lambda taken: self._take(run, taken), self._engine.alarm)
            self._present = run
        run.consumer.start(after=None if before is None else before.consumer)

    def stop(self, grace: float) -> bool:
        """Send no more; waits up to `grace` seconds for the batch under way, then ends the session under it.

        Answers whether it ended in time. What was not handed over stays on the queue.
        """
        with self._lock:
            run = self._present
        if run is None:
            return True
        run.consumer.stop(0.0)
        with self._lock:
            waiting, run.waiting = list(run.waiting), deque()
        self._give_back(run.consumer, waiting)
        if run.consumer.stop(grace):
            self._drop_session()
            return True
        session = self._session
        if session is not None:
            session.close()
        return False

    def change(self, settings: LinkSettings, transport: LinkTransport) -> None:
        """Go on with other settings, from the next batch on, which signs on again. Does not block."""
        with self._lock:
            self._settings, self._transport = settings, transport

    def explore(self, question: Question) -> Sequence[Stage]:
        """Ask the other side what would become of a message, over a session of its own. Blocks.

        Raises ConnectorError where it can't be asked.
        """
        with self._lock:
            settings, transport = self._settings, self._transport
        leaving = replace(question, identity=leaving_as(question.identity, settings.outbound_user, self._realm))
        if settings.outbound_user is not None:
            leaving = replace(
                leaving, came_by=f"outbound_user of the link of bus {self._engine.name}", groups=frozenset()
            )
        session = transport.open(self._login(settings, f"{self._name}?"))  # another engine's name: it ends no session
        try:
            return session.explore(leaving)
        finally:
            session.close()

    def _login(self, settings: LinkSettings, engine: str) -> Login:
        data = None if settings.alias is None else self._authentication_data(settings.alias)
        user, password = (None, None) if data is None else (data.user, data.password)
        return Login(self._engine.name, engine, self.to, user, password)

    def _take(self, run: _Run, taken: Taken) -> None:
        with self._lock:
            run.waiting.append(taken)
            if run.is_working:
                return
            run.is_working = True
        self._schedule(run)

    def _schedule(self, run: _Run) -> None:
        def listen(event: WorkEvent) -> None:
            if event.kind is WorkEventKind.REJECTED:
                self._rejected(run)

        try:
            self._work_manager.schedule_work(lambda: self._work(run), listener=listen)
        except WorkRejected as refusal:
            _LOG.warning("bus %s: the link to %s must wait: %s", self._engine.name, self.to, refusal.code)
            self._rejected(run)

    def _rejected(self, run: _Run) -> None:
        with self._lock:
            run.is_working = False
            waiting, run.waiting = list(run.waiting), deque()
        for taken in waiting:
            run.consumer.refused(taken)

    def _work(self, run: _Run) -> None:
        """Hand over until nothing waits. One of these at a time: a run begins when all of the one before is settled."""
        while True:
            with self._lock:
                batch = [run.waiting.popleft() for _ in range(min(BATCH, len(run.waiting)))]
                if not batch:
                    run.is_working = False
                    return
            try:
                self._hand_over(run, batch)
            except BaseException as error:  # noqa: BLE001 - whatever goes wrong, no message may be lost by it
                self._drop_session()
                self._back_off(run, batch, "retrying", error)

    def _hand_over(self, run: _Run, batch: list[Taken]) -> None:
        consumer = run.consumer
        if consumer.is_stopped:
            self._give_back(consumer, batch)
            return
        stored, later = self._fetch(consumer, batch)
        if not stored:
            return
        with self._lock:
            settings = self._settings
        session = self._open(settings)
        transfers = [self._transfer(each, settings) for _, each in stored]
        forget = frozenset(self._to_forget)
        answers = session.transfer(transfers, forget)
        self._to_forget -= forget
        told = list(zip(stored, transfers, answers, strict=False))
        self._settle(consumer, [(each[0], transfer, answer) for each, transfer, answer in told if answer.is_final])
        stuck = [each[0] for each, _, answer in told if answer.outcome is Outcome.BLOCKED]
        stuck += [each[0] for each, _, answer in told if self._stays(consumer, settings, each, answer)]
        rest = stuck + [taken for taken, _ in stored[len(answers) :]] + later
        if stuck:
            why = next(answer for answer in answers if not answer.is_final)
            lost = why.code == LINK_LOST.code
            if lost:
                self._drop_session()
            self._back_off(run, rest, "retrying" if lost else "blocked", why)
            return
        with self._lock:
            self._state, self._error = "connected", ("", "")
        consumer.succeeded()
        with self._lock:
            run.waiting.extendleft(reversed(rest))

    def _fetch(self, consumer: Consumer, batch: list[Taken]) -> tuple[list[tuple[Taken, StoredMessage]], list[Taken]]:
        """Read messages up to the size of a batch; answers them, and those that are left for the next one."""
        stored: list[tuple[Taken, StoredMessage]] = []
        size = 0
        for number, taken in enumerate(batch):
            if size >= BATCH_BYTES:
                return stored, batch[number:]
            try:
                each = self._engine.fetch(consumer.queue.name, taken.entry)
            except MessagingError as error:
                if error.code != MESSAGE_GONE.code:
                    raise
                consumer.queue.remove(taken.entry)  # it has left by somebody else's hand
                consumer.done(taken)
                continue
            size += len(each.content.data)
            stored.append((taken, each))
        return stored, []

    def _transfer(self, stored: StoredMessage, settings: LinkSettings) -> Transfer:
        passage = stored.passage
        assert passage is not None, "nobody but the engine puts anything on the queue of a link"
        identity = leaving_as(stored.header.identity or UNAUTHENTICATED, settings.outbound_user, self._realm)
        header = stored.header.replace(identity=identity, delivery_count=0)
        return Transfer(
            passage.transfer,
            passage.bus,
            passage.destination,
            header,
            stored.content,
            stored.hops,
            stored.reliability,
        )

    def _settle(self, consumer: Consumer, settled: list[tuple[Taken, Transfer, Answer]]) -> None:
        """What the other side has is removed here, and then to be forgotten there."""
        # In a shared store what was claimed under different epochs can't leave in one unit.
        for claim in {taken.entry.claim for taken, _, _ in settled}:
            part = [each for each in settled if each[0].entry.claim == claim]
            self._engine.commit((), [(consumer.queue, taken.entry) for taken, _, _ in part], limited=False)
        self._to_forget.update(transfer.id for _, transfer, _ in settled)
        with self._lock:
            refused = sum(answer.outcome is Outcome.REFUSED for _, _, answer in settled)
            self._refused += refused
            self._sent += len(settled) - refused
        for taken, _, _ in settled:
            consumer.done(taken)

    def _stays(
        self, consumer: Consumer, settings: LinkSettings, message: tuple[Taken, StoredMessage], answer: Answer
    ) -> bool:
        """Whether a message that came back has to stay; else it is put into an exception destination of this bus."""
        if answer.outcome is not Outcome.RETURNED:
            return False
        taken, stored = message
        if not self._returns.put_aside(consumer.queue, taken.entry, stored, self.to, settings, answer):
            return True
        with self._lock:
            self._refused += 1
        consumer.done(taken)
        return False

    def _open(self, settings: LinkSettings) -> LinkSession:
        """The session, made if there is none. Blocks. Raises ConnectionFailed, LoginRefused, AuthDataError."""
        if self._session_for is not settings:
            self._drop_session()
        if self._session is None:
            session = self._transport.open(self._login(settings, self._name))
            held = session.held()
            self._to_forget |= held - self._unsent(held)
            self._session, self._session_for = session, settings
            with self._lock:
                self._endpoint = session.endpoint
        return self._session

    def _unsent(self, held: frozenset[str]) -> frozenset[str]:
        """What of these is not removed here yet, whether in the store or in memory."""
        if not held:
            return frozenset()
        name = transmission_queue(self.to)
        here = self._engine.destinations.get(name).queue.all_entries()
        passages = (None if entry.stored is None else entry.stored.passage for entry in here)
        in_memory = {each.transfer for each in passages if each is not None}
        return self._engine.store.unsent(name, held) | (held & in_memory)

    def _drop_session(self) -> None:
        session, self._session = self._session, None
        with self._lock:
            self._endpoint = ""
        if session is not None:
            session.close()

    def _back_off(self, run: _Run, batch: list[Taken], state: str, why: BaseException | Answer) -> None:
        """Everything goes back, in its old order, and nothing is taken for a time."""
        known = isinstance(why, ConnectorError | Answer)
        code, text = (why.code, why.text) if isinstance(why, ConnectorError | Answer) else (type(why).__name__, "")
        seconds, clock = run.consumer.outage(code), self._engine.clock
        with self._lock:
            self._state, self._error = state, (code, text)
            self._failed_at, self._retry_at = clock.time(), clock.monotonic() + seconds
            waiting, run.waiting = list(run.waiting), deque()
        log = _LOG.warning if known else _LOG.error
        log("bus %s: the link to %s is %s for %.0f s: %s %s", self._engine.name, self.to, state, seconds, code, text)
        self._give_back(run.consumer, [*batch, *waiting])

    def _give_back(self, consumer: Consumer, batch: list[Taken]) -> None:
        for taken in batch:
            if not consumer.is_out(taken):
                continue  # settled already
            consumer.queue.release(taken.entry)
            consumer.done(taken)

    def __repr__(self) -> str:
        return f"<LinkSender from {self._engine.name} to {self.to}>"
