"""One pool on stage: its adapter, its clock, its settings, and whose credential has which version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Final, Generic, TypeVar

from connector.pool import ManagedConnectionPool, PoolSettings
from connector.pool.async_pool import AsyncManagedConnectionPool
from connector.pool.operations import PoolOperations
from connector.spi import Capability, SignOnPlan
from soak.adapter import SoakFactory
from soak.ledger import SYSTEM, Ledger, Wire, share_of
from soak.moods import Moods

#: Who signs on as themselves, and who is asserted on connections of the system user.
PINNED: Final = ("alice", "bob", "carol")
ASSERTED: Final = ("dave", "erin")

P = TypeVar("P", bound=PoolOperations[Any])


class TickingClock:
    """Time that goes on by a tick with each look at it, and jumps where an operator says so; it never goes back."""

    def __init__(self, tick: float) -> None:
        self._tick = tick
        self._looks = count()  # `next` is atomic
        self.jumped = 0.0

    def monotonic(self) -> float:
        return next(self._looks) * self._tick + self.jumped

    time = monotonic


@dataclass(frozen=True)
class Setting:
    """What hypothesis has drawn for one pool.

    Attributes:
        settings: The pool's settings.
        callers: How many borrow, at most.
        capabilities: What the adapter can do.
        tick: Seconds that each look at the clock takes.
        climate, moods: How the adapter misbehaves, see `Moods`.
    """

    settings: PoolSettings
    callers: int
    capabilities: frozenset[Capability]
    tick: float
    climate: str
    moods: bytes


class Stage(Generic[P]):
    """A pool and all that belongs to it. Safe to use from any thread.

    Attributes:
        pool: The pool, once it is made.
        ledger, moods, clock, factory: What the pool works with.
        versions: The newest version of each user's credential.
        callers: For whom connections are borrowed.
    """

    pool: P

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        reauthenticates = Capability.REAUTHENTICATION in setting.capabilities
        self.ledger = Ledger(
            setting.settings.max_size, share_of(setting.settings.per_identity, reauthenticates=reauthenticates)
        )
        self.moods = Moods(setting.climate, setting.moods)
        self.clock = TickingClock(setting.tick)
        self.factory = SoakFactory(self.ledger, self.moods)
        self.versions = dict.fromkeys((*PINNED, SYSTEM), 1)
        everybody = (*ASSERTED, *PINNED) if Capability.IDENTITY_SWITCH in setting.capabilities else PINNED
        self.callers = everybody[: setting.callers]
        self._plan = cache(self.factory.plan)

    def made_pool(self, kind: Any) -> Any:
        """The pool; that of tasks is to be made on its loop."""
        return kind(
            "eis/soak",
            self.factory,
            self.setting.settings,
            capabilities=self.setting.capabilities,
            clock=self.clock,
            jitter=lambda: 0.5,
        )

    def plan(self, number: int, *, old: bool = False) -> SignOnPlan:
        """The plan of a caller, by number, with the newest credential or with the one before."""
        caller = self.callers[number % len(self.callers)]
        user = SYSTEM if caller in ASSERTED else caller
        version = max(self.versions[user] - old, 1)
        if user == SYSTEM:
            return self._plan(SYSTEM, version=version, asserted=caller)
        return self._plan(user, version=version)

    def some_wire(self, number: int) -> Wire[Any] | None:
        """One of the last connections, living or not."""
        made = self.ledger.made
        return made[-1 - number % min(len(made), 5)] if made else None


ThreadStage = Stage[ManagedConnectionPool]
TaskStage = Stage[AsyncManagedConnectionPool]
AnyStage = ThreadStage | TaskStage
