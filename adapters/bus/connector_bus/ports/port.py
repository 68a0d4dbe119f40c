"""A port: takes messages off its queue, asks the service, sends the answer where a reply is wanted (BUS-1)."""

from __future__ import annotations

import logging
from typing import Final, final

from connector.errors import AccessDenied, NameNotFound
from connector.spi import UNAUTHENTICATED, Message, Principal, WorkManager
from connector_bus.engine.consumer import Consumer, Taken
from connector_bus.engine.destination import Destination, is_reply_queue
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.forward_path import PATH_ENDS, Arrival, way_back
from connector_bus.engine.submission import submit
from connector_bus.ports.client import PortClient
from connector_bus.ports.exchange import ANSWER_UNFIT, HEADER_UNFIT, SERVICE_REFUSED
from connector_bus.settings import DestinationSettings
from connector_bus.store.record import StoredMessage

#: Seconds before a service that failed is asked again: the first time, and at most.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
#: What asking again can't mend.
_PERMANENT: Final = frozenset({HEADER_UNFIT.code, SERVICE_REFUSED.code, ANSWER_UNFIT.code, PATH_ENDS.code})

_LOG = logging.getLogger("connector_bus.ports")


def pause(failures: int) -> float:
    """Seconds to wait after so many failures of one message. Pure."""
    return float(min(FIRST_PAUSE * 2 ** min(failures, 16), LONGEST_PAUSE))


@final
class Port:
    """Serves one destination of type port, up to its concurrency at once.

    A message is removed together with the reply being stored: a service may be asked twice for one message if the
    process is killed in between, as a handler may be called twice.

    Args:
        engine: The engine.
        destination: The port.
        settings: Its configuration.
        client: Asks the service.
        failures: What becomes of messages that fail.
        server: Whom answers are from: the engine, which has asked.
        work_manager: Runs the exchanges.
    """

    def __init__(
        self,
        engine: BusEngine,
        destination: Destination,
        settings: DestinationSettings,
        client: PortClient,
        failures: FailureHandling,
        server: Principal,
        work_manager: WorkManager,
    ) -> None:
        assert settings.port is not None
        self._engine = engine
        self.destination = settings.name
        self._limit = settings.max_redeliveries
        self._client = client
        self._failures = failures
        self._server = server
        self._work_manager = work_manager
        self._queue = destination.queue
        self._consumer = Consumer(self._queue, settings.port.concurrency, self._begin, engine.alarm)

    def start(self) -> None:
        """Begin. Does not block."""
        self._consumer.start()

    def stop(self, grace: float) -> bool:
        """End; waits up to `grace` seconds for exchanges under way. Answers whether they ended."""
        ended = self._consumer.stop(grace)
        self._client.close()
        return ended

    def _begin(self, taken: Taken) -> None:
        what = f"bus {self._engine.name}: port {self.destination}"
        submit(self._work_manager, self._consumer, taken, lambda: self._run(taken), what)

    def _run(self, taken: Taken) -> None:
        try:
            stored = self._engine.fetch(self.destination, taken.entry)
            # Before the service is asked: it must not be asked again because nobody could be told its answer.
            back = self._way_back(stored)
            answer = self._client.ask(stored.message())
            self._engine.commit(self._reply(stored, back, answer), ((self._queue, taken.entry),))
        except BaseException as error:  # noqa: BLE001 - whatever the exchange does, the message must not be lost
            if self._consumer.is_stopped:
                self._queue.release(taken.entry)  # most likely the stop's own doing: no failure of the message's
                return
            permanent = isinstance(error, AccessDenied | NameNotFound) or getattr(error, "code", "") in _PERMANENT
            self._failures.failed(
                self._queue,
                taken.entry,
                error,
                limit=self._limit,
                delay=pause(taken.entry.attempts),
                permanent=permanent,
            )
        finally:
            self._consumer.done(taken)

    def _way_back(self, stored: StoredMessage) -> tuple[Arrival, Principal] | None:
        """Where the answer goes, and as whose; None where none is wanted.

        To a reply queue of this bus it goes as the engine's own. Anywhere else as whoever has asked, who has to be in
        the sender role there: else naming a destination as `reply_to` would borrow the engine's authority.
        Raises what refuses them.
        """
        back = way_back(stored.header)
        if back is None:
            return None
        engine, (name, path) = self._engine, back
        if is_reply_queue(name) and (route := engine.destinations.route(name)).bus is None:
            return Arrival(route, name, Message(), 0), self._server
        identity = stored.header.identity or UNAUTHENTICATED
        return engine.follow(engine.access.subject_of(identity), name, Message(forward_path=path)), identity

    def _reply(
        self, stored: StoredMessage, back: tuple[Arrival, Principal] | None, answer: Message
    ) -> tuple[StoredMessage, ...]:
        if back is None:
            return ()
        arrival, identity = back
        correlation, path = stored.header.reply_correlation_id, arrival.message.forward_path
        reply = answer.replace(correlation_id=correlation, forward_path=path)
        accepted = self._engine.accept(reply, arrival.name, identity, hops=arrival.passed)
        return self._engine.fan_out(arrival.route, accepted)
