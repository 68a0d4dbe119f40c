"""A right that is taken away is *pushed* to the loops that own what is open: no timer and no poll comes between
(BUS-12, CHAIN-5).

That is what makes "within a second" true, and it needs no clock to show it: here the clocks of the chains and of the
bus stand still, so that nothing which waits for a time is ever called, and what is open ends nevertheless.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_wire import Wire, require_proton, wire

from connector.admin.buses import BusAdministration
from connector.security.file_registry import FileUserRegistry
from connector_bus.policy.roles import Role

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException, Message  # noqa: E402
from proton.reactor import Copy  # noqa: E402
from proton.utils import LinkDetached  # noqa: E402

STAFF = """
[buses.weather.destinations.office]
inherit_defaults = false
roles = { sender = ["group:staff"], receiver = ["group:staff"], browser = ["group:staff"] }
[buses.weather.destinations.open]
type = "queue"
[buses.weather.destinations.news]
type = "topic-space"
[buses.weather.destinations.news.topics.secret]
inherit_receiver = false
roles = { receiver = ["user:bob"] }
[buses.weather.default_roles]
sender = ["user:alice"]
receiver = ["user:bob"]
browser = ["user:carol"]
"""
#: Who has which role by itself.
HOLDERS = [(Role.SENDER, "alice"), (Role.RECEIVER, "bob"), (Role.BROWSER, "carol")]


class Held:
    """A clock that stands still."""

    def __init__(self, clock: Any) -> None:
        self._now, self._clock = clock.monotonic(), clock

    def monotonic(self) -> float:
        return float(self._now)

    def time(self) -> float:
        return float(self._clock.time())


@contextmanager
def held_clocks(running: Wire) -> Iterator[None]:
    """No timer of the chains' loop fires, and no alarm of the buses; shown by one of each that would be due at once."""
    loop, alarm, fired = running.listeners._loop, running.adapter._alarm, threading.Event()
    now, clock = loop.time(), alarm._clock
    loop.time = lambda: now
    alarm._clock = Held(clock)
    loop.call_soon_threadsafe(loop.call_later, 0.001, fired.set)
    alarm.call_later(0.001, fired.set)
    try:
        yield
        assert not fired.is_set()
    finally:
        del loop.time
        alarm._clock = clock
        loop.call_soon_threadsafe(lambda: None)  # it looks at the time again
        alarm.call_later(0.0, lambda: None)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path, extra=STAFF) as started, held_clocks(started):
        yield started


@pytest.fixture
def users(running: Wire, tmp_path: Path) -> FileUserRegistry:
    """The registry's file as another process changes it: the container hears nothing of that by itself."""
    return FileUserRegistry("weather", tmp_path / "users.toml")


def opens(client: Any, role: Role, address: str) -> Any:
    if role is Role.SENDER:
        return client.create_sender(address)
    return client.create_receiver(address, credit=5, options=Copy() if role is Role.BROWSER else None)


def loses_its_link(client: Any, code: str) -> None:
    with pytest.raises(LinkDetached, match=code) as ended:
        client.wait(lambda: False, timeout=20)
    assert ended.value.condition == "amqp:unauthorized-access"


def loses_its_connection(client: Any, code: str) -> None:
    with pytest.raises(ConnectionException, match=code):
        client.wait(lambda: False, timeout=20)


CODES = {Role.SENDER: "CF-BUS-020", Role.RECEIVER: "CF-BUS-021", Role.BROWSER: "CF-BUS-022"}


@pytest.mark.parametrize(("role", "user"), HOLDERS)
def test_a_role_that_is_taken_away_ends_the_link(running: Wire, role: Role, user: str) -> None:
    client = running.connect(user)
    opens(client, role, "private")
    BusAdministration(running.container, "weather").roles.remove(role.value, f"user:{user}", destination="private")
    loses_its_link(client, CODES[role])


@pytest.mark.parametrize(("role", "user"), HOLDERS)
def test_so_does_a_default_role_for_what_inherits_it(running: Wire, role: Role, user: str) -> None:
    client = running.connect(user)
    opens(client, role, "open")
    BusAdministration(running.container, "weather").roles.remove(role.value, f"user:{user}", default=True)
    loses_its_link(client, CODES[role])


def test_so_does_a_role_on_the_topic_that_is_subscribed_to(running: Wire) -> None:
    client = running.connect("bob")
    opens(client, Role.RECEIVER, "news/secret")
    roles = BusAdministration(running.container, "weather").roles
    roles.remove("receiver", "user:bob", destination="news", topic="secret")
    loses_its_link(client, "CF-BUS-121")


@pytest.mark.parametrize("role", CODES)
def test_so_does_a_group_that_its_user_has_left(running: Wire, users: FileUserRegistry, role: Role) -> None:
    users.set_groups("alice", ["staff"])
    running.container.refresh_users("alice")
    client = running.connect("alice")
    opens(client, role, "office")
    users.set_groups("alice", [])
    running.container.refresh_users("alice")
    loses_its_link(client, CODES[role])
    client.create_sender("open").send(Message(body="the connection goes on"))


def test_without_the_connector_role_the_connection_ends(running: Wire) -> None:
    client = running.connect("alice")
    opens(client, Role.SENDER, "open")
    BusAdministration(running.container, "weather").roles.remove("connector", "user:alice")
    loses_its_connection(client, "CF-BUS-012")


def test_a_user_who_is_gone_from_the_registry_is_out(running: Wire, users: FileUserRegistry) -> None:
    client = running.connect("alice")
    opens(client, Role.SENDER, "open")
    users.remove_user("alice")
    running.container.refresh_users("alice")
    loses_its_connection(client, "CF-SEC-011")
