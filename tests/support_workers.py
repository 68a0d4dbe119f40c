"""How processes share the suite: what has to stay in one of them."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

#: Rooms whose tests share servers for the whole session: one process has them all.
ROOMS_WITH_SERVERS = frozenset(
    {"amqp", "bus", "directory", "interop", "kerberos", "registries", "sql", "stores", "transactions", "web"}
)


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


class SharedByRoom(LoadScopeScheduling):  # type: ignore[misc]  # untyped
    """The largest scope first, each to whichever process is free; a scope keeps its order (the kit counts on it)."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)
