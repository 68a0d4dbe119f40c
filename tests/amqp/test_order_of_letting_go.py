"""The library ends the links of a session that nobody holds, also those that somebody does: so links go first."""

from __future__ import annotations

import gc
import importlib
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support_amqp import Client
from support_amqp_activations import eventually
from support_wire import Wire, require_proton

from connector.errors import ConnectionFailed

pytestmark = pytest.mark.amqp


class Orphans:
    """Which links were let go of after their session had been freed and was held by nobody any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        require_proton()
        from proton import Link, Session
        from proton._wrapper import Wrapper

        cproton: Any = importlib.import_module("cproton")

        self.found: list[str] = []
        self.links = 0
        self._held: Counter[int] = Counter()
        self._freed: set[int] = set()
        self._of: dict[int, int] = {}  # by wrapper: its link's session
        make, end, free = Wrapper.__init__, Wrapper.__del__, Session.free

        def address(session: Any) -> int:
            return int(cproton.ffi.cast("uintptr_t", session))

        def made(wrapper: Any, *args: Any, **kwargs: Any) -> None:
            make(wrapper, *args, **kwargs)
            if isinstance(wrapper, Session):
                key = address(wrapper._impl)
                if not self._held[key]:
                    self._freed.discard(key)  # another session at the same place
                self._held[key] += 1
            elif isinstance(wrapper, Link):
                self._of[id(wrapper)] = address(cproton.pn_link_session(wrapper._impl))
                self.links += 1

        def ended(wrapper: Any) -> None:
            if isinstance(wrapper, Session):
                self._held[address(wrapper._impl)] -= 1
            elif isinstance(wrapper, Link):
                key = self._of.pop(id(wrapper), 0)
                if key in self._freed and not self._held[key]:
                    self.found.append("".join(traceback.format_stack(limit=4)))
            end(wrapper)

        def freed(session: Any) -> None:
            self._freed.add(address(session._impl))
            free(session)

        for kind, name, replacement in (
            (Wrapper, "__init__", made),
            (Wrapper, "__del__", ended),
            (Session, "free", freed),
        ):
            monkeypatch.setattr(kind, name, replacement)

    @property
    def freed(self) -> int:
        """How many sessions have been freed."""
        return len(self._freed)


@pytest.fixture
def orphans(bus: Wire, shop: Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Orphans]:
    gc.collect()
    watched = Orphans(monkeypatch)
    yield watched
    gc.collect()


def test_a_link_whose_session_has_ended_is_let_go_of_before_it(shop: Client, orphans: Orphans) -> None:
    with shop.connect() as connection:
        connection.send("requests", "one")
        physical: Any = connection._lease.physical
        outlets = list(physical._conversation._outlets.values())

        def end() -> None:
            outlets[0]._session.close()  # the bus ends it as well, as other brokers do for a message that they refuse
            outlets[0].wire.flush()

        physical._loop.soon(end)
        assert eventually(lambda: not outlets[0].stands and orphans.freed == 2)  # here, and at the bus
        outlets.clear()
        connection.send("requests", "two")  # by another link: the one before is let go of
        assert (orphans.links > 1, orphans.found) == (True, [])


def test_links_of_a_connection_that_breaks_are_let_go_of_before_their_sessions(shop: Client, orphans: Orphans) -> None:
    with shop.connect() as connection:
        connection.send("requests", "one")
        connection.receive("requests", 1, selector="JMSPriority = 4")
        physical: Any = connection._lease.physical
        physical._loop.soon(lambda: physical._conversation.wire.abort("broken"))
        with pytest.raises(ConnectionFailed):
            connection.send("requests", "two")
    gc.collect()
    assert orphans.found == []
