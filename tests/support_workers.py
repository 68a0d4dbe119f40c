"""How processes share the suite: what has to stay in one of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from xdist.scheduler import LoadScopeScheduling

#: Rooms whose tests share servers for the whole session: one process has them all.
ROOMS_WITH_SERVERS = frozenset(
    {"amqp", "bus", "directory", "interop", "kerberos", "registries", "sql", "stores", "transactions", "web"}
)

#: About how long a test of a room takes, in seconds, where that is more than one of most rooms.
SECONDS = {
    "docs": 20,
    "demo": 15,
    "packaging": 15,
    "benchmarks": 5,
    "interop": 2,
    "amqp": 0.5,
    "transactions": 0.5,
    "wire": 0.5,
}
#: Of the other rooms.
FEW_SECONDS = 0.2


def scope_of(node_id: str) -> str:
    """What a test stays together with: those of its room, if that has servers, else those of its file.

    A page of the documentation needs nothing of another, and pages take longest: each goes by itself.
    """
    file = node_id.partition("::")[0]
    root, _, place = file.partition("/")
    room = place.partition("/")[0]
    if root != "tests":
        return file
    if room == "docs":
        return node_id
    return f"{root}/{room}" if room in ROOMS_WITH_SERVERS else file


def seconds_of(scope: str, tests: int) -> float:
    """About how long so many tests of a scope take."""
    room = scope.partition("/")[2].partition("/")[0]
    return SECONDS.get(room, FEW_SECONDS) * tests


class SharedByRoom(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """What takes longest first, each to whichever process is free: so none is left with a long one at the end.

    A scope keeps its order (the kit counts on it).
    """

    _in_order = False

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if not self._in_order:
            longest_first = sorted(self.workqueue.items(), key=lambda unit: -seconds_of(unit[0], len(unit[1])))
            self.workqueue: Any = OrderedDict(longest_first)
            self._in_order = True
        super()._assign_work_unit(node)
