"""Profile `inbound-security`: a message is its sender's, in the handler and in the reply."""

from __future__ import annotations

import threading

from connector.endpoint.message_context import MessageContext
from connector.spi import Capability, Message, RedeliveryPolicy, Subject
from connector.testing.backend import REALM
from connector.testing.contracts.inbound_base import InboundAdapterContract
from connector.testing.inbound_bench import ROLE, InboundBench
from connector.testing.requirement import InboundFacet, requirement

_NEEDS = (Capability.INBOUND, Capability.SECURITY_INFLOW)


class InboundSecurityContract(InboundAdapterContract):
    """Who sent it is who calls; who may not call is not heard, and nothing of it is lost."""

    @requirement("IN-SEC-001", "The caller of the handler is who sent the message.", needs=_NEEDS)
    def test_the_caller_is_the_sender(self, bench: InboundBench) -> None:
        active = bench.activate()
        bench.send("first")
        bench.send("second", sender=bench.second)
        assert active.handler.wait_for(2)
        callers = {call.body: call.caller for call in active.handler.calls}
        assert callers == {"first": f"{bench.first.user}@{REALM}", "second": f"{bench.second.user}@{REALM}"}

    @requirement("IN-SEC-002", "Of messages that are handled at once each is its own sender's.", needs=_NEEDS)
    def test_senders_are_never_mixed_up(self, bench: InboundBench) -> None:
        together = threading.Barrier(2)
        active = bench.activate(lambda *_: together.wait(bench.patience), concurrency=2)
        for number in range(3):
            bench.send((bench.first.user, number))
            bench.send((bench.second.user, number), sender=bench.second)
        assert active.handler.wait_for(6)
        found = [(call.body, call.caller) for call in active.handler.calls]
        assert all(caller == f"{body[0]}@{REALM}" for body, caller in found), found

    @requirement(
        "IN-SEC-003",
        "A sender in no allowed role is denied: the handler is not called, and the message kept with the reason.",
        needs=(*_NEEDS, InboundFacet.BURIAL),
    )
    def test_who_may_not_call_is_denied_and_not_lost(self, bench: InboundBench) -> None:
        active = bench.activate(roles_allowed={ROLE}, redelivery=RedeliveryPolicy(limit=2))
        bench.send("denied", sender=bench.second)
        assert bench.comes_about(lambda: bool(bench.backend.buried(bench.adapter)))
        bench.send("allowed")
        assert active.handler.wait_for(1)
        assert active.handler.bodies == ["allowed"]
        (buried,) = bench.backend.buried(bench.adapter)
        assert (buried.body, buried.reason, buried.attempts) == ("denied", "CF-ENDP-010", 3)

    @requirement(
        "IN-SEC-004",
        "While the user registry does not answer no attempt is used up; the health says why, and then it is delivered.",
        needs=_NEEDS,
    )
    def test_an_outage_of_the_registry_uses_no_attempt_up(self, bench: InboundBench) -> None:
        def take_it_away(message: Message, _context: MessageContext) -> None:
            bench.people.away = message.body == "takes it away"

        bench.send("takes it away", "patience")
        active = bench.activate(take_it_away, redelivery=RedeliveryPolicy(limit=0))
        assert active.handler.wait_for(1)
        waits = bench.comes_about(lambda: bool(bench.adapter.activation_health(active.factory, active.spec).waiting))
        bench.people.away = False
        assert waits, "the health of the activation does not say that deliveries wait"
        assert active.handler.wait_for(2)
        assert bench.settles()
        assert [call.failures for call in active.handler.calls] == [0, 0]

    @requirement("IN-SEC-005", "A reply is sent as the caller.", needs=(*_NEEDS, InboundFacet.REPLIES))
    def test_a_reply_is_the_caller_s(self, bench: InboundBench) -> None:
        bench.activate(lambda *_: "answer")
        bench.send("question", sender=bench.second, reply_to=bench.backend.reply_to(bench.adapter))
        assert bench.comes_about(lambda: bool(bench.backend.replies(bench.adapter)))
        (reply,) = bench.backend.replies(bench.adapter)
        assert str(reply.identity) == f"{bench.second.user}@{REALM}"

    @requirement("IN-SEC-006", "With run-as a reply is sent as that one.", needs=(*_NEEDS, InboundFacet.REPLIES))
    def test_with_run_as_a_reply_is_that_one_s(self, bench: InboundBench) -> None:
        bench.activate(lambda *_: "answer", run_as=Subject.of_user(bench.first.user, REALM))
        bench.send("question", sender=bench.second, reply_to=bench.backend.reply_to(bench.adapter))
        assert bench.comes_about(lambda: bool(bench.backend.replies(bench.adapter)))
        (reply,) = bench.backend.replies(bench.adapter)
        assert str(reply.identity) == f"{bench.first.user}@{REALM}"
