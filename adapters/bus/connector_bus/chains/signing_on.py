"""One client signs on: who it is, by the exchange of `sasl`, asked of the registry on other threads (CHAIN-5)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, final

from connector.spi import ScramVerifier, Subject
from connector_bus.chains.chain_service import ChainService
from connector_bus.chains.outlet import Outlet
from connector_bus.chains.sasl import EXTERNAL, MAX_WAITING, SCRAM, Question, SaslServer, SaslState
from connector_bus.chains.sasl_frames import AMQP_HEADER, SaslOutcome
from connector_bus.links.network import LINK_HEADER

_LOG = logging.getLogger("connector_bus.chains")

#: Seconds that a wrong password waits for its answer: somebody who guesses is slowed down, nobody else is.
REFUSAL_DELAY: Final = 1.0

#: Told who it is, whether a certificate has said so and no password, and what the client has said since.
SignedOn = Callable[[Subject, bool, bytes], None]


@final
class SigningOn:
    """From the first byte until it is known who somebody is. A `Stage`; for the chain's loop only.

    Args:
        service: What serves the clients of the chain.
        outlet: Where we answer.
        address: Where the client is.
        external: Whom its certificate names for the chain; None for nobody.
        refused: Told why it is not let in.
        signed_on: Told once who it is.

    Mutable state: `_sasl`, set once what is offered is known, `_early`, what came before that, and `_ended_early`,
    whether the client has ended its side before; `_subject` and `_by_certificate`; `_timers`.
    """

    is_open = False
    is_busy = False

    def __init__(
        self,
        service: ChainService,
        outlet: Outlet,
        address: str,
        external: str | None,
        refused: Callable[[str], None],
        signed_on: SignedOn,
    ) -> None:
        self._service = service
        self._outlet = outlet
        self._address = address
        self._external = external
        self._refused = refused
        self._signed_on = signed_on
        self._loop = asyncio.get_running_loop()
        self._subject = Subject.unauthenticated()
        self._by_certificate = False
        self._sasl: SaslServer | None = None
        self._early = b""
        self._ended_early = False
        self._timers: list[asyncio.TimerHandle] = []

    def begin(self) -> None:
        """Find out what is to be offered: that may be known only to a registry that is far away."""

        def answered(asked: asyncio.Future[tuple[str, ...]]) -> None:
            if self._outlet.transport is not None and not self._outlet.ended and not asked.cancelled():
                self._offer(asked.result())

        asking = self._loop.run_in_executor(self._service.asking, self._service.admission.mechanisms)
        asking.add_done_callback(answered)

    def _offer(self, mechanisms: tuple[str, ...]) -> None:
        self._sasl = SaslServer(
            mechanisms,
            external=self._external,
            bare=self._service.admission.takes_nobody(),
            layers=(AMQP_HEADER, LINK_HEADER),
            max_frame=self._service.chain.max_sasl_frame_size,
        )
        early, self._early = self._early, b""
        if early:
            self.feed(early)
        if self._ended_early:
            self._outlet.close()

    def feed(self, data: bytes) -> None:
        """Something came."""
        if self._sasl is not None:
            self._outlet.write(self._sasl.feed(data))
            self._go_on()
        elif len(self._early) <= MAX_WAITING:
            self._early += data  # more than this the exchange itself refuses, once it has begun

    def hear_the_end(self) -> bool:
        """The client has ended its side; answers whether it is still to be answered, being too early for the offer."""
        self._ended_early = self._sasl is None
        return self._ended_early

    def stop(self) -> None:
        """The server stops: it says so to who isn't in yet by closing."""

    def say_goodbye(self, reason: str) -> None:
        """There is no word for it in this exchange."""

    def end(self) -> None:
        """The connection is gone."""
        for timer in self._timers:
            timer.cancel()

    def _go_on(self) -> None:
        sasl = self._sasl
        assert sasl is not None
        if sasl.state is SaslState.FAILED:
            self._refused("protocol")
            _LOG.info("a client did not get in: %s", sasl.reason)
            self._outlet.end()
        elif sasl.state is SaslState.ASKING and sasl.question is not None:
            self._ask(sasl.question)
        elif sasl.state is SaslState.DONE:
            self._signed_on(self._subject, self._by_certificate, sasl.rest)

    def _ask(self, question: Question) -> None:
        user = question.user or ""
        first = question.mechanism == SCRAM and question.proved is None
        if question.password is None and not first:
            self._look_up(question)
            return
        # Before anything is hashed: what costs time is what is held back.
        wait = self._service.throttle.wait(self._address, user, self._loop.time())
        look_up = self._look_up_verifier if first else self._look_up
        if wait > 0:
            self._timers.append(self._loop.call_later(wait, look_up, question))
        else:
            look_up(question)

    def _look_up_verifier(self, question: Question) -> None:
        """With SCRAM: what the client's proof is to be checked by."""

        def answered(asked: asyncio.Future[ScramVerifier | None]) -> None:
            if self._outlet.transport is None or self._sasl is None or asked.cancelled():
                return
            verifier = asked.result()
            if verifier is None:
                self._refused("sign-on")
                self._answer(SaslOutcome.SYSTEM_ERROR_TEMPORARY, "nobody can tell now who it is")
                return
            self._outlet.write(self._sasl.challenge(verifier))
            self._go_on()

        verifier = self._service.admission.verifier
        asking = self._loop.run_in_executor(self._service.asking, verifier, question.user or "")
        asking.add_done_callback(answered)

    def _look_up(self, question: Question) -> None:
        throttle, user = self._service.throttle, question.user or ""

        def answered(asked: asyncio.Future[tuple[Subject, SaslOutcome, str]]) -> None:
            if self._outlet.transport is None or asked.cancelled():
                return
            self._subject, outcome, reason = asked.result()
            self._by_certificate = outcome is SaslOutcome.OK and question.mechanism == EXTERNAL
            if outcome is SaslOutcome.OK:
                if question.password is not None or question.proved:
                    throttle.succeeded(self._address, user)
                self._answer(outcome, reason)
            else:
                self._refused("sign-on")
                if outcome is SaslOutcome.AUTHENTICATION_FAILED:
                    throttle.failed(self._address, user, self._loop.time())
                self._timers.append(self._loop.call_later(REFUSAL_DELAY, self._answer, outcome, reason))

        asking = self._loop.run_in_executor(self._service.asking, self._service.admission.authenticate, question)
        asking.add_done_callback(answered)

    def _answer(self, outcome: SaslOutcome, reason: str) -> None:
        if self._sasl is not None and self._outlet.transport is not None:
            self._outlet.write(self._sasl.answer(outcome, reason))
            self._go_on()
