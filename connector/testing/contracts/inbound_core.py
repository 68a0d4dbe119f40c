"""Profile `inbound-core`: activations begin, deliver, end without hanging, and say how they are."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from connector.endpoint.message_context import MessageContext
from connector.errors import ConnectorError
from connector.spi import Capability, Message, Secret
from connector.testing.backend import Login
from connector.testing.contracts.inbound_base import InboundAdapterContract
from connector.testing.inbound_bench import QUIET, InboundBench, failing
from connector.testing.requirement import InboundFacet, requirement

_NEEDS = Capability.INBOUND


class InboundCoreContract(InboundAdapterContract):
    """Deliver what comes, as many at once as may be, and nothing after the end."""

    @requirement("IN-CORE-001", "An activation delivers what is there already, and what comes.", needs=_NEEDS)
    def test_what_is_there_and_what_comes_is_delivered(self, bench: InboundBench) -> None:
        bench.send("there already")
        active = bench.activate()
        assert active.handler.wait_for(1)
        bench.send("what comes")
        assert active.handler.wait_for(2)
        assert active.handler.bodies == ["there already", "what comes"]

    @requirement("IN-CORE-002", "A message arrives whole: body, properties and what it answers.", needs=_NEEDS)
    def test_a_message_arrives_whole(self, bench: InboundBench) -> None:
        active = bench.activate()
        body = {"text": "grüße", "list": [1, 2.5, None, True]}
        bench.send(body, properties={"day": "Tuesday", "number": 3}, correlation_id="question-1")
        assert active.handler.wait_for(1)
        message = active.handler.calls[0].message
        assert (message.body, message.correlation_id) == (body, "question-1")
        assert {name: message.properties.get(name) for name in ("day", "number")} == {"day": "Tuesday", "number": 3}
        assert message.message_id

    @requirement(
        "IN-CORE-003", "Endpoints are used as their contract says, in success, failure and redelivery.", needs=_NEEDS
    )
    def test_endpoints_are_used_as_they_are_meant(self, bench: InboundBench) -> None:
        def second_time(message: Message, context: MessageContext) -> None:
            if context.delivery_count == 0 and message.body == "fails first":
                failing(message, context)

        active = bench.activate(second_time, concurrency=3)
        bench.send("well", "fails first", "well too")
        assert active.handler.wait_for(4)
        assert bench.settles()
        assert dict(active.factory.statistics().refused) == {}

    @requirement("IN-CORE-004", "As many handlers run at once as the concurrency says, and no more.", needs=_NEEDS)
    def test_as_many_run_at_once_as_may(self, bench: InboundBench) -> None:
        together, go_on = threading.Barrier(2), threading.Event()

        def meet(message: Message, _context: MessageContext) -> None:
            if message.body < 2:
                together.wait(bench.patience)
            go_on.wait(bench.patience)

        active = bench.activate(meet, concurrency=2)
        bench.send(*range(5))
        assert active.handler.wait_for(2)
        assert not active.handler.wait_for(3, QUIET)
        go_on.set()
        assert active.handler.wait_for(5)
        assert active.handler.wait_until_idle()
        assert active.handler.most == 2
        assert dict(active.factory.statistics().refused) == {}

    @requirement("IN-CORE-005", "After its end nothing is delivered: what comes waits.", needs=_NEEDS)
    def test_after_the_end_messages_wait(self, bench: InboundBench) -> None:
        active = bench.activate()
        bench.deactivate(active)
        bench.send("waits")
        assert not active.handler.wait_for(1, QUIET)
        assert bench.at_rest() == ["waits"]
        assert dict(active.factory.statistics().refused) == {}

    @requirement(
        "IN-CORE-006", "Activated again, by the same objects, it goes on with what has come meanwhile.", needs=_NEEDS
    )
    def test_activated_again_it_goes_on(self, bench: InboundBench) -> None:
        active = bench.activate()
        bench.send("before")
        assert active.handler.wait_for(1)
        assert bench.settles()
        bench.deactivate(active)
        bench.send("meanwhile")
        bench.activate_again(active)
        assert active.handler.wait_for(2)
        assert active.handler.bodies == ["before", "meanwhile"]

    @requirement(
        "IN-CORE-007", "Its end comes though a handler hangs, and no delivery begins after that.", needs=_NEEDS
    )
    def test_the_end_does_not_hang_with_a_handler(self, bench: InboundBench) -> None:
        go_on, ended = threading.Event(), threading.Event()
        active = bench.activate(lambda *_: go_on.wait(3 * bench.patience))

        def end() -> None:
            bench.deactivate(active)
            ended.set()

        bench.send("hangs", "waits")
        assert active.handler.wait_for(1)
        threading.Thread(target=end, name="connector-kit", daemon=True).start()
        in_time = ended.wait(bench.patience)
        go_on.set()
        assert in_time, f"deactivate_endpoint did not return within {bench.patience:g} s"
        assert active.handler.wait_until_idle()
        assert not active.handler.wait_for(2, QUIET)
        assert "waits" in bench.at_rest()

    @requirement(
        "IN-CORE-008", "Two activations with equal settings are two: one ends, the other goes on.", needs=_NEEDS
    )
    def test_two_activations_are_two(self, bench: InboundBench) -> None:
        one, other = bench.activate(), bench.activate()
        bench.deactivate(one)
        bench.send("for the other")
        assert other.handler.wait_for(1)
        assert one.handler.bodies == []

    @requirement("IN-CORE-009", "`activation_health` says whether the subscription stands, at once.", needs=_NEEDS)
    def test_health_says_whether_it_stands(self, bench: InboundBench) -> None:
        active = bench.activate()
        bench.send("seen")
        assert active.handler.wait_for(1)
        well = bench.adapter.activation_health(active.factory, active.spec)
        assert well.subscribed
        assert well.polled is not None
        assert well.polled < bench.patience
        bench.deactivate(active)
        assert not bench.adapter.activation_health(active.factory, active.spec).subscribed

    @requirement("IN-CORE-010", "To end what is not active, or has ended, is harmless.", needs=_NEEDS)
    def test_ending_twice_is_harmless(self, bench: InboundBench) -> None:
        active = bench.activate()
        bench.deactivate(active)
        bench.deactivate(active)
        other = bench.activate()
        bench.send("goes on")
        assert other.handler.wait_for(1)

    @requirement(
        "IN-CORE-011",
        "A consumer that is refused makes the activation fail with an error that has a code, and gets nothing.",
        needs=(_NEEDS, InboundFacet.CONSUMERS),
    )
    def test_a_refused_consumer_gets_nothing(self, bench: InboundBench) -> None:
        called: list[Any] = []
        known = bench.backend.consumer
        assert known is not None, "give the backend a consumer, or name InboundFacet.CONSUMERS in `lacks`"
        wrong = Login(known.user, Secret(f"not-{known.password.reveal()}"))
        bench.send("waits")
        with pytest.raises(ConnectorError):
            bench.activate(lambda message, _: called.append(message.body), consumer=wrong)
        assert bench.at_rest() == ["waits"]
        assert called == []
