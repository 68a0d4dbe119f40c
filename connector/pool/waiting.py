"""Who waits, and who is next: bounded overtaking (POOL-7).

Theory of operation
-------------------
Handing each connection to the waiter at the head is fair, but costs a switch of threads for every use. Letting whoever
comes first have it is cheap, and starves. So both: while the head has waited less than `HAND_OVER_AFTER`, what comes
free is left free and a waiter is *signalled* to look again; a running thread may overtake it. Once the head has waited
longer it is *overdue*: what comes free next is *granted* to it and is never visible to others. Nobody is overtaken for
longer than that bound and one further return.

A signalled waiter keeps its place until it has looked and found something. `rouse` signals as many as there is
something to find, so nobody sleeps beside a free connection. Where some could use nothing of what there is (their
identity has its share already, their credential is refused), they are passed over: who is *eligible* is for the state
to say, by what it would answer if they looked now.

No I/O, no lock, no clock: the pool's state owns the queue and calls it under the pool's lock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, TypeAlias, TypeVar, final

from connector.errors import LoginRefused
from connector.pool.entry import Entry, Permit
from connector.pool.refusals import Refusal
from connector.spi import SignOnPlan

#: Seconds after which a waiter is not overtaken any more: above a thread switch, below what a person or a p99 notices.
HAND_OVER_AFTER = 0.002

#: Seconds after which a waiter that nobody wakes looks by itself: the end of a back-off wakes nobody, nor does a lease
#: that is abandoned in the very moment that the pool's lock is taken.
LOOK_AGAIN_AFTER = 1.0

#: What ends a wait: a connection of the waiter's own partition, the right to open one, or a refusal: just now by
#: somebody else's attempt, or from a moment ago.
Grant: TypeAlias = Entry | Permit | LoginRefused | Refusal

S = TypeVar("S")


@final
class Waiter(Generic[S]):
    """One borrower that waits.

    Attributes:
        plan: What it waits for.
        owner: The thread or task that it waits on.
        since: When it began, by the pool's monotonic clock, in seconds.
        signal: How the shell wakes it: a lock for a thread. Opaque here.
        signalled: Whether it has been woken and has not looked yet; it is not woken twice.
        grant: What it was given, until it takes it.
    """

    __slots__ = ("plan", "owner", "since", "signal", "signalled", "grant")

    def __init__(self, plan: SignOnPlan, owner: int, since: float, signal: S) -> None:
        self.plan = plan
        self.owner = owner
        self.since = since
        self.signal = signal
        self.signalled = False
        self.grant: Grant | None = None


@final
class WaitQueue(Generic[S]):
    """The waiters in the order in which they came.

    Attributes:
        members: The waiters, as an ordered set; empty is false, which the hot path asks.
        signalled: How many of them are signalled.
    """

    __slots__ = ("members", "signalled")

    def __init__(self) -> None:
        self.members: OrderedDict[Waiter[S], None] = OrderedDict()
        self.signalled = 0

    def add(self, waiter: Waiter[S]) -> None:
        """Put a waiter at the end."""
        self.members[waiter] = None

    def remove(self, waiter: Waiter[S]) -> bool:
        """Take a waiter out; False if it was not there any more (it was granted something, or the queue drained)."""
        if waiter not in self.members:
            return False
        self.looked(waiter)
        del self.members[waiter]
        return True

    def looked(self, waiter: Waiter[S]) -> None:
        """A signalled waiter has woken and looks: it may be signalled again."""
        if waiter.signalled:
            waiter.signalled = False
            self.signalled -= 1

    def nobody_is_overdue(self, now: float) -> bool:
        """Whether `overdue` is empty, which it nearly always is; asked first, since it costs less."""
        for head in self.members:
            return now - head.since < HAND_OVER_AFTER
        return True

    def overdue(self, now: float) -> Iterator[Waiter[S]]:
        """Those who must not be overtaken any more, in their order; ends with the next change of the queue."""
        for waiter in self.members:
            if now - waiter.since < HAND_OVER_AFTER:
                return
            yield waiter

    def grant(self, waiter: Waiter[S], grant: Grant) -> list[Waiter[S]]:
        """Give a waiter what ends its wait; answers it if it has to be woken (it may be awake already)."""
        asleep = not waiter.signalled
        self.remove(waiter)
        waiter.signalled = True
        waiter.grant = grant
        return [waiter] if asleep else []

    def rouse(self, available: int, eligible: Callable[[Waiter[S]], bool] | None = None) -> list[Waiter[S]]:
        """Signal waiters until as many are signalled as can find something; answers those to wake.

        Args:
            available: How much there is to be found.
            eligible: Whether a waiter would find something if it looked; None: whoever looks finds.
        """
        woken: list[Waiter[S]] = []
        if self.signalled < available:
            for waiter in self.members:
                if not waiter.signalled and (eligible is None or eligible(waiter)):
                    waiter.signalled = True
                    self.signalled += 1
                    woken.append(waiter)
                    if self.signalled == available:
                        break
        return woken

    def drain(self) -> list[Waiter[S]]:
        """Send everybody away without a grant; answers those to wake."""
        woken = [waiter for waiter in self.members if not waiter.signalled]
        for waiter in self.members:
            waiter.signalled = True
        self.members.clear()
        self.signalled = 0
        return woken
