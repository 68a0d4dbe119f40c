"""Profile `inbound-transactions`: a transacted handler and the settlement of its message are one unit of work."""

from __future__ import annotations

from typing import Any

from connector.endpoint.message_context import MessageContext
from connector.spi import Capability, Message, Vote
from connector.testing.contracts.inbound_base import InboundAdapterContract
from connector.testing.inbound_bench import InboundBench, failing
from connector.testing.requirement import requirement

_NEEDS = (Capability.INBOUND, Capability.TRANSACTED_DELIVERY)


class Witness:
    """A participant that writes down how its unit ends, and says no where it is told to."""

    two_phase = True

    def __init__(self, *, agrees: bool = True) -> None:
        self._agrees = agrees
        self.steps: list[str] = []

    @property
    def resource(self) -> str:
        """A name."""
        return "kit:witness"

    def prepare(self, branch: str) -> Vote:
        """Say yes or no."""
        self.steps.append("prepare")
        if not self._agrees:
            raise RuntimeError("the kit's witness says no")
        return Vote.PREPARED

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """It is committed."""
        if one_phase and not self._agrees:
            raise RuntimeError("the kit's witness says no")
        self.steps.append("commit")

    def rollback(self, branch: str) -> None:
        """It is rolled back."""
        self.steps.append("rollback")


class InboundTransactionsContract(InboundAdapterContract):
    """Both or neither."""

    @requirement("IN-TX-001", "A transacted handler runs in a unit of work, another one in none.", needs=_NEEDS)
    def test_a_transacted_handler_runs_in_a_unit(self, bench: InboundBench) -> None:
        seen: list[Any] = []
        active = bench.activate(lambda *_: seen.append(bench.transactions.current()), transacted=True)
        bench.send("in a unit")
        assert active.handler.wait_for(1)
        assert bench.settles()
        bench.deactivate(active)
        plain = bench.activate(lambda *_: seen.append(bench.transactions.current()))
        bench.send("in none")
        assert plain.handler.wait_for(1)
        assert plain.handler.wait_until_idle()
        assert seen[0] is not None
        assert not seen[0].active
        assert not seen[0].rollback_only
        assert seen[1] is None

    @requirement("IN-TX-002", "What fails, or asks for a rollback, is rolled back and comes again.", needs=_NEEDS)
    def test_what_is_rolled_back_comes_again(self, bench: InboundBench) -> None:
        witnesses: list[Witness] = []

        def behave(message: Message, context: MessageContext) -> None:
            unit = bench.transactions.current()
            assert unit is not None
            witnesses.append(Witness())
            unit.enlist(witnesses[-1])
            if context.delivery_count == 0:
                failing(message, context)
            elif context.delivery_count == 1:
                context.set_rollback_only()

        active = bench.activate(behave, transacted=True)
        bench.send("comes again")
        assert active.handler.wait_for(3)
        assert bench.settles()
        # Where settling is the decision, the message is gone before the others hear of it.
        ends = ["rollback", "rollback", "commit"]
        assert bench.comes_about(lambda: [witness.steps[-1] for witness in witnesses] == ends)
        assert [call.failures for call in active.handler.calls] == [0, 1, 2]

    @requirement("IN-TX-003", "Where the unit can't be committed the message comes again.", needs=_NEEDS)
    def test_what_can_t_be_committed_comes_again(self, bench: InboundBench) -> None:
        def behave(_message: Message, context: MessageContext) -> None:
            unit = bench.transactions.current()
            assert unit is not None
            unit.enlist(Witness(agrees=context.delivery_count > 0))

        active = bench.activate(behave, transacted=True)
        bench.send("comes again")
        assert active.handler.wait_for(2)
        assert bench.settles()
        assert [call.failures for call in active.handler.calls] == [0, 1]
