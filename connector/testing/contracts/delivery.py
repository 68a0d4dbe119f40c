"""Profiles `delivery` and `redelivery`: what returns is gone, what fails comes again, and order is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from connector.endpoint.message_context import MessageContext
from connector.spi import Capability, Message, Ordering, RedeliveryPolicy
from connector.testing.backend import REALM
from connector.testing.contracts.inbound_base import InboundAdapterContract
from connector.testing.inbound_bench import QUIET, InboundBench, failing
from connector.testing.requirement import InboundFacet, requirement

_NEEDS = Capability.INBOUND
_GROUPS = (Capability.INBOUND, InboundFacet.GROUPS)
_DELAY = 0.15


def failing_times(times: int, *bodies: Any) -> Callable[[Message, MessageContext], None]:
    """A behaviour: messages with these bodies fail so often, others never."""

    def behave(message: Message, context: MessageContext) -> None:
        if message.body in bodies and context.delivery_count < times:
            failing(message, context)

    return behave


class DeliveryContract(InboundAdapterContract):
    """Once, in the order that was asked for, and the reply to where it is wanted."""

    @requirement("IN-DLV-001", "A message whose handler returns is gone for good.", needs=_NEEDS)
    def test_what_returns_is_gone(self, bench: InboundBench) -> None:
        active = bench.activate()
        bench.send(*range(3))
        assert active.handler.wait_for(3)
        assert bench.settles()
        bench.deactivate(active)
        bench.activate_again(active)
        bench.send("new")
        assert active.handler.wait_for(4)
        assert not active.handler.wait_for(5, QUIET)
        assert active.handler.bodies == [0, 1, 2, "new"]

    @requirement("IN-DLV-002", "It is not gone before its handler has returned.", needs=_NEEDS)
    def test_it_is_not_gone_before(self, bench: InboundBench) -> None:
        seen: list[Any] = []
        active = bench.activate(lambda *_: seen.extend(bench.at_rest()))
        bench.send("kept")
        assert active.handler.wait_for(1)
        assert active.handler.wait_until_idle()
        assert seen == ["kept"]

    @requirement(
        "IN-DLV-003",
        "Where the queue's order is kept messages come one at a time, in the order of sending.",
        needs=_NEEDS,
    )
    def test_the_queue_s_order_is_kept(self, bench: InboundBench) -> None:
        meanwhile = threading.Event()

        def first_is_slow(message: Message, _context: MessageContext) -> None:
            if message.body == 0:
                meanwhile.wait(QUIET)  # as long as it takes for the others to overtake it, if they may

        active = bench.activate(first_is_slow, concurrency=4, ordering=Ordering.QUEUE)
        bench.send(*range(10))
        assert active.handler.wait_for(10)
        assert active.handler.bodies == list(range(10))
        assert active.handler.most == 1

    @requirement(
        "IN-DLV-004", "Where groups keep their order messages of one come one at a time, in order.", needs=_GROUPS
    )
    def test_a_group_s_order_is_kept(self, bench: InboundBench) -> None:
        meanwhile = threading.Event()

        def first_is_slow(message: Message, _context: MessageContext) -> None:
            if message.body == "x1":
                meanwhile.wait(QUIET)  # as long as it takes for the others to overtake it, if they may

        active = bench.activate(first_is_slow, concurrency=4, ordering=Ordering.GROUP)
        bench.send("x1", "x2", "x3", group="x")
        assert active.handler.wait_for(3)
        assert active.handler.bodies == ["x1", "x2", "x3"]
        assert active.handler.most == 1

    @requirement("IN-DLV-005", "Groups don't wait for each other, nor does what is in none.", needs=_GROUPS)
    def test_groups_don_t_wait_for_each_other(self, bench: InboundBench) -> None:
        together = threading.Barrier(3)
        active = bench.activate(lambda *_: together.wait(bench.patience), concurrency=4, ordering=Ordering.GROUP)
        bench.send("x", group="x")
        bench.send("y", group="y")
        bench.send("free")
        assert active.handler.wait_for(3)
        assert active.handler.wait_until_idle()
        assert not together.broken

    @requirement(
        "IN-DLV-006",
        "A reply goes where it is wanted, with what it answers.",
        needs=(Capability.INBOUND, InboundFacet.REPLIES),
    )
    def test_a_reply_goes_where_it_is_wanted(self, bench: InboundBench) -> None:
        active = bench.activate(lambda message, _: {"answer": message.body})
        bench.send("question", reply_to=bench.backend.reply_to(bench.adapter))
        assert bench.comes_about(lambda: bool(bench.backend.replies(bench.adapter)))
        (reply,) = bench.backend.replies(bench.adapter)
        assert reply.body == {"answer": "question"}
        assert reply.correlation_id == active.handler.calls[0].message.message_id


class RedeliveryContract(InboundAdapterContract):
    """What fails comes again, later and later, and is never lost."""

    @requirement("IN-RDL-001", "A failed message is delivered again, with how often it has failed.", needs=_NEEDS)
    def test_a_failed_message_comes_again(self, bench: InboundBench) -> None:
        active = bench.activate(failing_times(2, "fails"))
        bench.send("fails")
        assert active.handler.wait_for(3)
        assert bench.settles()
        assert [call.failures for call in active.handler.calls] == [0, 1, 2]

    @requirement("IN-RDL-002", "Not before its delay, and each time after a longer one.", needs=_NEEDS)
    def test_not_before_its_delay(self, bench: InboundBench) -> None:
        policy = RedeliveryPolicy(limit=5, delay=_DELAY, backoff=2.0)
        active = bench.activate(failing_times(2, "fails"), redelivery=policy)
        bench.send("fails")
        assert active.handler.wait_for(3)
        first, second, third = (call.at for call in active.handler.calls)
        assert second - first >= _DELAY
        assert third - second >= 2 * _DELAY

    @requirement(
        "IN-RDL-003",
        "Beyond the limit it is given up, and kept with reason, attempts and sender; the next one comes.",
        needs=(Capability.INBOUND, InboundFacet.BURIAL),
    )
    def test_beyond_the_limit_it_is_kept_apart(self, bench: InboundBench) -> None:
        active = bench.activate(
            failing_times(99, "fails"), redelivery=RedeliveryPolicy(limit=2), ordering=Ordering.QUEUE
        )
        bench.send("fails", "next")
        assert active.handler.wait_for(4)
        assert bench.settles()
        assert active.handler.bodies == ["fails", "fails", "fails", "next"]
        (buried,) = bench.backend.buried(bench.adapter)
        assert (buried.body, buried.reason, buried.attempts) == ("fails", "CF-ENDP-020", 3)
        assert buried.sender == f"{bench.first.user}@{REALM}"

    @requirement(
        "IN-RDL-004", "Where the queue's order is kept nothing overtakes what is to be delivered again.", needs=_NEEDS
    )
    def test_nothing_overtakes_in_the_queue(self, bench: InboundBench) -> None:
        policy = RedeliveryPolicy(limit=5, delay=_DELAY)
        active = bench.activate(failing_times(1, 1, 2), redelivery=policy, ordering=Ordering.QUEUE)
        bench.send(*range(4))
        assert active.handler.wait_for(6)
        assert active.handler.bodies == [0, 1, 1, 2, 2, 3]

    @requirement("IN-RDL-005", "Where groups keep their order neither, within the group.", needs=_GROUPS)
    def test_nothing_overtakes_in_a_group(self, bench: InboundBench) -> None:
        policy = RedeliveryPolicy(limit=5, delay=_DELAY)
        active = bench.activate(failing_times(1, "x1"), redelivery=policy, ordering=Ordering.GROUP, concurrency=3)
        bench.send("x1", "x2", group="x")
        bench.send("y1", group="y")
        assert active.handler.wait_for(4)
        of_x = [body for body in active.handler.bodies if body.startswith("x")]
        assert of_x == ["x1", "x1", "x2"]

    @requirement(
        "IN-RDL-008",
        "A delivery that the endpoint postpones, since the activation is paused, is not counted: it comes as it was.",
        needs=_NEEDS,
    )
    def test_what_is_postponed_is_not_counted(self, bench: InboundBench) -> None:
        active = bench.activate(redelivery=RedeliveryPolicy(limit=0), ordering=Ordering.QUEUE)
        active.factory.pause()  # as between an operator's pause and the adapter's hearing of it
        bench.send("waits", "waits too")
        assert bench.comes_about(lambda: bool(active.factory.statistics().refused))
        active.factory.resume()
        assert active.handler.wait_for(2)
        assert bench.settles()
        assert [(call.message.body, call.failures) for call in active.handler.calls] == [("waits", 0), ("waits too", 0)]

    @requirement("IN-RDL-006", "Without an order to keep others go on meanwhile.", needs=_NEEDS)
    def test_others_go_on_meanwhile(self, bench: InboundBench) -> None:
        active = bench.activate(failing_times(1, "fails"), redelivery=RedeliveryPolicy(limit=5, delay=4 * _DELAY))
        bench.send("fails", "goes on")
        assert active.handler.wait_for(3)
        assert active.handler.bodies == ["fails", "goes on", "fails"]

    @requirement(
        "IN-RDL-007",
        "A delivery that fails after the activation's end is not counted: it comes as it was.",
        needs=_NEEDS,
    )
    def test_a_failure_after_the_end_is_not_counted(self, bench: InboundBench) -> None:
        go_on, ended = threading.Event(), threading.Event()

        def fail_late(message: Message, context: MessageContext) -> None:
            if not go_on.is_set():
                go_on.wait(3 * bench.patience)
                failing(message, context)

        active = bench.activate(fail_late, redelivery=RedeliveryPolicy(limit=0))

        def end() -> None:
            bench.deactivate(active)
            ended.set()

        bench.send("late")
        assert active.handler.wait_for(1)
        threading.Thread(target=end, name="connector-kit", daemon=True).start()
        in_time = ended.wait(bench.patience)
        go_on.set()
        assert in_time, f"deactivate_endpoint did not return within {bench.patience:g} s"
        assert active.handler.wait_until_idle()
        bench.activate_again(active)
        assert active.handler.wait_for(2)
        assert active.handler.calls[1].failures == 0
