"""Inbound adapters that each break some requirement; see support_saboteurs."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import pytest
from support_inbound_kit import BOB, MemoryBackend

from connector.errors import AccessDenied, DeliveryError, DeliveryPostponed
from connector.spi import (
    ActivationHealth,
    ActivationSpec,
    CallbackHandler,
    CallerPrincipalCallback,
    Message,
    MessageEndpointFactory,
    Ordering,
    Principal,
    RedeliveryPolicy,
    SecurityContext,
    Subject,
    UserPrincipal,
)
from connector.testing import InboundContract
from connector.testing.backend import REALM
from connector.testing.memory import MemoryResourceAdapter
from connector.testing.memory.letters import Letter, reason_of


class Saboteur(MemoryResourceAdapter):
    """What each saboteur changes; declared by the `ra.toml` of the honest one."""

    def __init_subclass__(cls) -> None:
        cls.__module__ = MemoryResourceAdapter.__module__


class Disguised:
    """An endpoint factory with some settings changed."""

    def __init__(self, factory: Any, **changed: Any) -> None:
        self.__dict__.update(changed)
        self._factory = factory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._factory, name)


class Disguising(Saboteur):
    """Sees every endpoint factory in disguise."""

    changed: ClassVar[dict[str, Any]] = {}

    def activate_endpoint(self, endpoint_factory: Any, spec: ActivationSpec) -> None:
        super().activate_endpoint(self._known(endpoint_factory), spec)

    def deactivate_endpoint(self, endpoint_factory: Any, spec: ActivationSpec) -> None:
        super().deactivate_endpoint(self._known(endpoint_factory), spec)

    def activation_health(self, endpoint_factory: Any, spec: ActivationSpec) -> ActivationHealth:
        return super().activation_health(self._known(endpoint_factory), spec)

    def _known(self, factory: Any) -> Any:
        disguises = self.__dict__.setdefault("disguises", {})
        return disguises.setdefault(factory, Disguised(factory, **self.changed))


class Sabotaged(InboundContract):
    """The contract on a saboteur."""

    saboteur: ClassVar[type[MemoryResourceAdapter]] = MemoryResourceAdapter

    @pytest.fixture
    def connector_inbound(self) -> MemoryBackend:
        made = type("Backend", (MemoryBackend,), {"adapter": self.saboteur, "patience": 3.0})()
        assert isinstance(made, MemoryBackend)
        return made


class IsDeaf(Saboteur):
    def send(self, queue: str, message: Message, sender: Principal | None = None) -> str:
        with self._lock:
            self._queues.setdefault(queue, []).append(Letter(message.replace(message_id="1", identity=sender)))
        return "1"


class TestIsDeaf(Sabotaged):
    saboteur = IsDeaf
    breaks = ("IN-CORE-001",)


class LosesProperties(Saboteur):
    def send(self, queue: str, message: Message, sender: Principal | None = None) -> str:
        return super().send(queue, message.replace(properties={}), sender)


class TestLosesProperties(Sabotaged):
    saboteur = LosesProperties
    breaks = ("IN-CORE-002",)


class DeliversTwice(Saboteur):
    def deliver(self, factory: MessageEndpointFactory, letter: Letter, settlement: Any) -> None:
        endpoint = factory.create_endpoint(settlement)
        endpoint.before_delivery()
        with contextlib.suppress(Exception):
            endpoint.deliver(letter.message.replace(delivery_count=letter.failures))
            endpoint.deliver(letter.message.replace(delivery_count=letter.failures))
        endpoint.after_delivery()
        endpoint.release()


class TestDeliversTwice(Sabotaged):
    saboteur = DeliversTwice
    breaks = ("IN-CORE-003",)


class IsSlow(Disguising):
    changed = {"concurrency": 1}


class TestIsSlow(Sabotaged):
    saboteur = IsSlow
    breaks = ("IN-CORE-004",)


class IsHasty(Disguising):
    changed = {"concurrency": 99}


class TestIsHasty(Sabotaged):
    saboteur = IsHasty
    breaks = ("IN-CORE-004",)


class NeverEnds(Saboteur):
    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None: ...


class TestNeverEnds(Sabotaged):
    saboteur = NeverEnds
    breaks = ("IN-CORE-005", "IN-CORE-009")


class BeginsWithNothing(Saboteur):
    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        if self.__dict__.setdefault("again", False):
            self._queues.clear()
        self.again = True
        super().activate_endpoint(endpoint_factory, spec)


class TestBeginsWithNothing(Sabotaged):
    saboteur = BeginsWithNothing
    breaks = ("IN-CORE-006",)


class HangsWithItsHandler(Saboteur):
    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        with self._lock:
            subscription = self._subscriptions[endpoint_factory, spec]
            self._lock.wait_for(lambda: not subscription.out, 25.0)
        super().deactivate_endpoint(endpoint_factory, spec)


class TestHangsWithItsHandler(Sabotaged):
    saboteur = HangsWithItsHandler
    breaks = ("IN-CORE-007",)


class TakesEqualsForOne(Saboteur):
    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        with self._lock:
            self._subscriptions.clear()
        super().activate_endpoint(endpoint_factory, spec)

    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        with self._lock:
            self._subscriptions.clear()


class TestTakesEqualsForOne(Sabotaged):
    saboteur = TakesEqualsForOne
    breaks = ("IN-CORE-008",)


class IsAlwaysWell(Saboteur):
    def activation_health(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> ActivationHealth:
        return ActivationHealth(subscribed=True)


class TestIsAlwaysWell(Sabotaged):
    saboteur = IsAlwaysWell
    breaks = ("IN-CORE-009",)


class EndsOnce(Saboteur):
    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        assert (endpoint_factory, spec) in self._subscriptions
        super().deactivate_endpoint(endpoint_factory, spec)


class TestEndsOnce(Sabotaged):
    saboteur = EndsOnce
    breaks = ("IN-CORE-010",)


class AdmitsAnybody(Saboteur):
    def admit(self, consumer: Subject | None) -> None: ...


class TestAdmitsAnybody(Sabotaged):
    saboteur = AdmitsAnybody
    breaks = ("IN-CORE-011",)


class Says(SecurityContext):
    """That the caller is so-and-so."""

    def __init__(self, caller: Principal) -> None:
        self._caller = caller

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        handler.handle([CallerPrincipalCallback(execution_subject, self._caller)])


class TakesEverybodyForBob(Saboteur):
    def security_context(self, delivery: Any) -> SecurityContext:
        return Says(UserPrincipal(BOB.user, REALM))


class TestTakesEverybodyForBob(Sabotaged):
    saboteur = TakesEverybodyForBob
    breaks = ("IN-SEC-001",)


class MixesUpSenders(Saboteur):
    def security_context(self, delivery: Any) -> SecurityContext:
        others = [letter for letter in delivery.subscription.out if letter is not delivery.letter]
        sender = (others or [delivery.letter])[0].message.identity
        assert sender is not None
        return Says(sender)


class TestMixesUpSenders(Sabotaged):
    saboteur = MixesUpSenders
    breaks = ("IN-SEC-002",)


class DropsTheDenied(Saboteur):
    def failed(self, delivery: Any, error: BaseException) -> None:
        if isinstance(error, AccessDenied):
            self.settle(delivery.subscription, delivery.letter, None, None)
        else:
            super().failed(delivery, error)


class TestDropsTheDenied(Sabotaged):
    saboteur = DropsTheDenied
    breaks = ("IN-SEC-003",)


class TakesAnOutageForAFailure(Saboteur):
    def failed(self, delivery: Any, error: BaseException) -> None:
        delivery.letter.failures += 1
        self.bury(delivery.subscription, delivery.letter, reason_of(error))


class TestTakesAnOutageForAFailure(Sabotaged):
    saboteur = TakesAnOutageForAFailure
    breaks = ("IN-SEC-004",)


class TakesAPauseForAFailure(Saboteur):
    def failed(self, delivery: Any, error: BaseException) -> None:
        if isinstance(error, DeliveryPostponed):
            error = DeliveryError(error.reason, **error.details)
        super().failed(delivery, error)


class TestTakesAPauseForAFailure(Sabotaged):
    saboteur = TakesAPauseForAFailure
    breaks = ("IN-RDL-008",)


class RepliesAsNobody(Saboteur):
    def settle(self, subscription: Any, letter: Letter, reply: Any, replier: Subject | None) -> None:
        super().settle(subscription, letter, reply, None)


class TestRepliesAsNobody(Sabotaged):
    saboteur = RepliesAsNobody
    breaks = ("IN-SEC-005",)


class ForgetsRunAs(Disguising):
    changed = {"run_as": lambda: None}


class TestForgetsRunAs(Sabotaged):
    saboteur = ForgetsRunAs
    breaks = ("IN-SEC-006",)


class KeepsACopy(Saboteur):
    def settle(self, subscription: Any, letter: Letter, reply: Any, replier: Subject | None) -> None:
        self.__dict__.setdefault("copies", []).append(letter.message)
        super().settle(subscription, letter, reply, replier)

    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        copies: list[Message] = self.__dict__.pop("copies", [])
        super().activate_endpoint(endpoint_factory, spec)
        for copy in copies:
            self.send("letters", copy, copy.identity)


class TestKeepsACopy(Sabotaged):
    saboteur = KeepsACopy
    breaks = ("IN-DLV-001",)


class LetsGoTooEarly(Saboteur):
    def deliver(self, factory: MessageEndpointFactory, letter: Letter, settlement: Any) -> None:
        with self._lock:
            self._queues["letters"].remove(letter)
        super().deliver(factory, letter, settlement)


class TestLetsGoTooEarly(Sabotaged):
    saboteur = LetsGoTooEarly
    breaks = ("IN-DLV-002",)


class KeepsNoOrder(Disguising):
    changed = {"ordering": Ordering.NONE, "concurrency": 4}


class TestKeepsNoOrder(Sabotaged):
    saboteur = KeepsNoOrder
    breaks = ("IN-DLV-003", "IN-DLV-004", "IN-RDL-004", "IN-RDL-005")


class KeepsOrderAlways(Disguising):
    changed = {"ordering": Ordering.QUEUE}


class TestKeepsOrderAlways(Sabotaged):
    saboteur = KeepsOrderAlways
    breaks = ("IN-DLV-005", "IN-RDL-006")


class AnswersNoQuestion(Saboteur):
    def settle(self, subscription: Any, letter: Letter, reply: Any, replier: Subject | None) -> None:
        answer = None if reply is None else Message(reply, correlation_id="something")
        super().settle(subscription, letter, answer, replier)


class TestAnswersNoQuestion(Sabotaged):
    saboteur = AnswersNoQuestion
    breaks = ("IN-DLV-006",)


class DoesNotCount(Saboteur):
    def deliver(self, factory: MessageEndpointFactory, letter: Letter, settlement: Any) -> None:
        failures, letter.failures = letter.failures, 0
        try:
            super().deliver(factory, letter, settlement)
        finally:
            letter.failures = failures


class TestDoesNotCount(Sabotaged):
    saboteur = DoesNotCount
    breaks = ("IN-RDL-001",)


class HasNoPatience(Disguising):
    changed = {"redelivery": RedeliveryPolicy(5)}


class TestHasNoPatience(Sabotaged):
    saboteur = HasNoPatience
    breaks = ("IN-RDL-002",)


class LosesWhatItGivesUp(Saboteur):
    def bury(self, subscription: Any, letter: Letter, reason: str) -> None:
        self.settle(subscription, letter, None, None)


class TestLosesWhatItGivesUp(Sabotaged):
    saboteur = LosesWhatItGivesUp
    breaks = ("IN-RDL-003",)


class CountsAfterTheEnd(Saboteur):
    def failed(self, delivery: Any, error: BaseException) -> None:
        delivery.letter.failures += delivery.subscription.ended
        super().failed(delivery, error)


class TestCountsAfterTheEnd(Sabotaged):
    saboteur = CountsAfterTheEnd
    breaks = ("IN-RDL-007",)


class NeverComesToTheEnd(Saboteur):
    def deliver(self, factory: MessageEndpointFactory, letter: Letter, settlement: Any) -> None:
        endpoint = factory.create_endpoint(settlement)
        endpoint.before_delivery()
        try:
            endpoint.deliver(letter.message.replace(delivery_count=letter.failures))
        finally:
            endpoint.release()


class TestNeverComesToTheEnd(Sabotaged):
    saboteur = NeverComesToTheEnd
    breaks = ("IN-TX-001",)


class SettlesWhateverBecomesOfIt(Saboteur):
    def deliver(self, factory: MessageEndpointFactory, letter: Letter, settlement: Any) -> None:
        with contextlib.suppress(Exception):
            super().deliver(factory, letter, settlement)


class TestSettlesWhateverBecomesOfIt(Sabotaged):
    saboteur = SettlesWhateverBecomesOfIt
    breaks = ("IN-TX-002", "IN-TX-003")
