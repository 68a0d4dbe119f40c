"""Keeping plans for those whom they may serve again: keyed by exactly what their sign-on depends on.

Theory of operation
-------------------
What a login module declares in `depends_on` decides the key (`keying`).  A plan that depends on anything that can't be
put into a key, or that changes by itself, is never kept.  Each plan is valid only under the generation of the
authentication data that it was made under: a refresh that changed anything makes all of them stale at once.  What a
module says has changed outside (its `revision`, for example of a file) is a part of the key: plans of an older one are
never asked for again, and are forgotten in time.

A hit is one dictionary read and takes no lock; it leaves a mark on the plan.  When the cache is full, a new plan takes
the place of one without a mark, searched for from a random place on; a marked plan that is passed loses its mark.  So
who keeps coming stays, and who came once goes.  The place is random since callers tend to come round in one order: in
the order of their coming the one forgotten would always be the one who comes next, and nobody would ever be known.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from random import Random
from threading import Lock
from typing import Final, final

from connector.spi import Dependency, SignOnPlan, Subject

#: Makes the key of a caller (None for no caller).
CallerKey = Callable[[Subject | None], Hashable]

_EMPTY: Final = "empty subject"
_BY_CALLER: Final = frozenset({Dependency.ALIAS, Dependency.CALLER})
_BY_GROUPS: Final = frozenset({Dependency.ALIAS, Dependency.CALLER, Dependency.GROUPS})


def keying(dependencies: frozenset[Dependency]) -> CallerKey | None:
    """How plans with these dependencies are keyed; None if they must not be kept. Pure.

    Nothing or ALIAS: one plan for everybody. CALLER as well: one for each principal. GROUPS as well: one for each
    principal with these groups. CREDENTIALS, REQUEST or TIME: never kept.
    """
    if dependencies <= {Dependency.ALIAS}:
        return anybody
    if dependencies <= _BY_CALLER:
        return _principal
    if dependencies <= _BY_GROUPS:
        return _principal_and_groups
    return None


def anybody(subject: Subject | None) -> Hashable:  # noqa: ARG001 - a key that the caller does not enter
    """The key where the caller does not matter."""
    return None


def _principal(subject: Subject | None) -> Hashable:
    # Null and empty subjects differ; a principal is a name, a realm and a kind.
    return None if subject is None else subject.caller or _EMPTY


def _principal_and_groups(subject: Subject | None) -> Hashable:
    return None if subject is None else (subject.caller or _EMPTY, subject.groups)


@final
class _Kept:
    """A plan that is kept, with what says whether it was asked for lately."""

    __slots__ = ("plan", "used")

    def __init__(self, plan: SignOnPlan) -> None:
        self.plan = plan
        self.used = False


@final
class _Generation:
    """The plans that were made under one generation, and their keys by position."""

    __slots__ = ("number", "plans", "keys")

    def __init__(self, number: int) -> None:
        self.number = number
        self.plans: dict[Hashable, _Kept] = {}
        self.keys: list[Hashable] = []


@final
class PlanCache:
    """The plans of one reference. Safe to use from any thread; nothing blocks but a short lock on writes.

    Args:
        limit: The most plans kept; at least 1. So many callers may come round in any order and all are known.
        random: Chooses where the search for a plan to forget begins.
    """

    def __init__(self, limit: int = 10_000, *, random: Random | None = None) -> None:
        self._limit = max(1, limit)
        self._random = random or Random()  # noqa: S311 - no secret depends on it
        # Mutable: the plans of the newest generation. Replaced as a whole and filled by `put` under the lock, read
        # without it; what a reader writes is the one mark of the plan it has found.
        self._generation = _Generation(-1)
        self._lock = Lock()

    def get(self, key: Hashable, generation: int) -> SignOnPlan | None:
        """The plan kept under that key and made under that generation, or None."""
        newest = self._generation
        if newest.number != generation:
            return None
        kept = newest.plans.get(key)
        if kept is None:
            return None
        if not kept.used:  # asked first: where all only read, no processor's cache has to follow
            kept.used = True
        return kept.plan

    def put(self, key: Hashable, generation: int, plan: SignOnPlan) -> SignOnPlan:
        """Keep a plan that was made under that generation; answers the one in force, another thread's if it was first.

        The generation is the one read *before* the plan was made: a plan that a refresh has overtaken is not kept.
        """
        with self._lock:
            newest = self._generation
            if generation < newest.number:
                return plan
            if generation > newest.number:
                newest = self._generation = _Generation(generation)
            known = newest.plans.get(key)
            if known is not None:
                return known.plan
            if len(newest.keys) < self._limit:
                newest.keys.append(key)
            else:
                newest.keys[self._forget_one(newest)] = key
            newest.plans[key] = _Kept(plan)
            return plan

    def _forget_one(self, newest: _Generation) -> int:
        """Forget one plan and answer its place, under the lock. A plan used since it was passed last is passed once."""
        keys, plans = newest.keys, newest.plans
        position = self._random.randrange(len(keys))
        # One round takes all marks away; readers may set them again meanwhile, so it is one and not until none is set.
        for _ in range(len(keys)):
            kept = plans[keys[position]]
            if not kept.used:
                break
            kept.used = False
            position = (position + 1) % len(keys)
        del plans[keys[position]]
        return position

    def __len__(self) -> int:
        return len(self._generation.plans)
