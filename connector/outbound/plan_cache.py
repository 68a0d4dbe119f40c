"""Keeping plans for those whom they may serve again: keyed by exactly what their sign-on depends on.

Theory of operation
-------------------
What a login module declares in `depends_on` decides the key (`keying`).  A plan that depends on anything that can't be
put into a key, or that changes by itself, is never kept.  Each plan is valid only under the generation of the
authentication data that it was made under: a refresh that changed anything makes all of them stale at once.

The cache is two pages of a bounded size.  A hit on the recent page is one dictionary read and takes no lock; a plan
found on the older page moves to the recent one; when that is full it becomes the older one and the old older page is
forgotten.  So the least recently used half goes, and readers never write.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
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
class _Pages:
    """Two pages of plans that were made under one generation."""

    __slots__ = ("generation", "recent", "older")

    def __init__(self, generation: int, older: dict[Hashable, SignOnPlan] | None = None) -> None:
        self.generation = generation
        self.recent: dict[Hashable, SignOnPlan] = {}
        self.older: dict[Hashable, SignOnPlan] = {} if older is None else older


@final
class PlanCache:
    """The plans of one reference. Safe to use from any thread; nothing blocks but a short lock on writes.

    Args:
        limit: The most plans kept; at least 2.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._page_limit = max(1, limit // 2)
        # Mutable: the pages. Replaced as a whole and filled by `put` under the lock, read without it.
        self._pages = _Pages(-1)
        self._lock = Lock()

    def get(self, key: Hashable, generation: int) -> SignOnPlan | None:
        """The plan kept under that key and made under that generation, or None."""
        pages = self._pages
        if pages.generation != generation:
            return None
        plan = pages.recent.get(key)
        if plan is None:
            plan = pages.older.get(key)
            if plan is not None:
                self.put(key, generation, plan)
        return plan

    def put(self, key: Hashable, generation: int, plan: SignOnPlan) -> SignOnPlan:
        """Keep a plan that was made under that generation; answers the one in force, another thread's if it was first.

        The generation is the one read *before* the plan was made: a plan that a refresh has overtaken is not kept.
        """
        with self._lock:
            pages = self._pages
            if generation < pages.generation:
                return plan
            if generation > pages.generation:
                pages = self._pages = _Pages(generation)
            elif len(pages.recent) >= self._page_limit and key not in pages.recent:
                pages = self._pages = _Pages(generation, older=pages.recent)
            return pages.recent.setdefault(key, plan)

    def __len__(self) -> int:
        pages = self._pages
        return len(pages.recent.keys() | pages.older.keys())
