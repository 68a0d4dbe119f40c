"""A right that is taken away ends what is open and nothing else; how soon: test_pushed_revocation (BUS-12, CHAIN-5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support_container import until
from support_wire import Coordinator, Wire, receive, require_proton, wire

from connector.security.file_registry import FileUserRegistry
from connector_bus.policy.holders import Holder, parse_holder
from connector_bus.policy.roles import Role

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException, Message  # noqa: E402
from proton.reactor import Copy  # noqa: E402
from proton.utils import LinkDetached  # noqa: E402


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path) as started:
        yield started


def revoke(running: Wire, role: Role, user: str, destination: str = "private") -> None:
    settings = running.bus.settings
    each = settings.destinations[destination]
    roles = {**each.roles, role: frozenset(holder for holder in each.roles[role] if holder != user_holder(user))}
    destinations = {**settings.destinations, destination: replace(each, roles=roles)}
    running.bus.reconfigure(replace(settings, destinations=destinations))


def user_holder(user: str) -> Holder:
    holder = parse_holder(f"user:{user}")
    assert holder is not None
    return holder


def ends(client: Any, code: str) -> None:
    with pytest.raises((LinkDetached, ConnectionException), match=code):
        client.wait(lambda: False, timeout=10)


def test_a_sender_loses_its_link_and_keeps_its_connection(running: Wire) -> None:
    client = running.connect("alice")
    client.create_sender("private").send(Message(body="while I could"))
    revoke(running, Role.SENDER, "alice")
    ends(client, "CF-BUS-020")
    client.create_sender("requests").send(Message(body="elsewhere I still can"))


def test_on_an_anonymous_relay_it_counts_from_the_next_message_on_and_the_link_lives(running: Wire) -> None:
    client = running.connect("alice")
    relay = client.create_sender(None)
    relay.send(Message(body="while I could", address="private"))
    revoke(running, Role.SENDER, "alice")
    delivery = relay.link.send(Message(body="too late", address="private"))
    client.wait(lambda: delivery.settled, timeout=10)
    assert delivery.remote.condition.name == "amqp:unauthorized-access"
    assert "CF-BUS-020" in delivery.remote.condition.description
    relay.send(Message(body="elsewhere I still can", address="requests"))
    assert running.bus.engine.destinations.get("private").queue.counts() == (1, 0)


def test_a_receiver_loses_its_link_and_what_it_had_goes_back(running: Wire) -> None:
    running.connect("alice").create_sender("private").send(Message(body="taken back"))
    client = running.connect("bob")
    assert client.create_receiver("private", credit=5).receive(timeout=10).body == "taken back"
    revoke(running, Role.RECEIVER, "bob")
    ends(client, "CF-BUS-021")
    assert running.bus.engine.destinations.get("private").queue.counts() == (1, 0)
    client.create_sender("requests").send(Message(body="still here"))


def test_a_browser_loses_its_link(running: Wire) -> None:
    client = running.connect("carol")
    client.create_receiver("private", options=Copy())
    revoke(running, Role.BROWSER, "carol")
    ends(client, "CF-BUS-022")


def test_what_others_have_open_is_left_alone(running: Wire) -> None:
    sender = running.connect("alice").create_sender("private")
    revoke(running, Role.BROWSER, "carol")
    sender.send(Message(body="as before"))
    assert receive(running.connect("bob"), "private").body == "as before"


def test_a_right_that_goes_between_a_send_and_its_commit_undoes_the_transaction(running: Wire) -> None:
    client = running.connect("alice")
    coordinator, relay = Coordinator(client), client.create_sender(None)
    unit = coordinator.declare()
    coordinator.send(relay, Message(body="x", address="private"), unit)
    revoke(running, Role.SENDER, "alice")
    assert coordinator.discharge(unit) == "amqp:transaction:rollback"
    assert running.bus.engine.destinations.get("private").queue.counts() == (0, 0)


def test_a_receivers_right_that_goes_before_the_commit_undoes_the_transaction_and_nothing_is_lost(
    running: Wire,
) -> None:
    running.connect("alice").create_sender("private").send(Message(body="kept"))
    client = running.connect("bob")
    coordinator, receiver = Coordinator(client), client.create_receiver("private", credit=1)
    sender = client.create_sender("requests")
    unit = coordinator.declare()
    assert receiver.receive(timeout=10).body == "kept"
    coordinator.settle(receiver, unit)
    coordinator.send(sender, Message(body="never"), unit)
    revoke(running, Role.RECEIVER, "bob")
    ends(client, "CF-BUS-021")
    assert coordinator.discharge(unit) == "amqp:transaction:rollback"
    assert running.bus.engine.destinations.get("private").queue.counts() == (1, 0)
    assert running.bus.engine.destinations.get("requests").queue.counts() == (0, 0)


def test_without_the_connector_role_the_connection_ends(running: Wire) -> None:
    client = running.connect("alice")
    client.create_sender("requests")
    connectors = frozenset(each for each in running.bus.settings.connectors if each != user_holder("alice"))
    running.bus.reconfigure(replace(running.bus.settings, connectors=connectors))
    ends(client, "CF-BUS-012")
    with pytest.raises(ConnectionException, match="CF-BUS-012"):
        running.connect("alice")


def test_a_user_who_is_gone_from_the_registry_is_out(running: Wire, tmp_path: Path) -> None:
    client = running.connect("carol")
    client.create_sender("requests")
    FileUserRegistry("weather", tmp_path / "users.toml").remove_user("carol")
    running.bus.access.recheck()
    ends(client, "CF-SEC-011")


def test_a_name_that_is_given_to_somebody_else_takes_no_open_connection_along(
    running: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a directory has it: a file of users has no other name than the name.
    monkeypatch.setattr(running.bus.context.identity, "unique_name", lambda user: f"{user}-1")
    client = running.connect("alice")
    sender = client.create_sender("requests")
    sender.send(Message(body="the first alice"))
    physical = _physical(running)
    until(lambda: physical._unique == "alice-1")
    running.bus.access.recheck()
    sender.send(Message(body="still she"))
    monkeypatch.setattr(running.bus.context.identity, "unique_name", lambda user: f"{user}-2")
    running.bus.access.recheck()
    ends(client, "CF-BUS-490")


def _physical(running: Wire) -> Any:
    (client,) = running.listeners._clients
    return client.stage.side.physical


def test_a_user_who_leaves_a_group_is_asked_again(running: Wire, tmp_path: Path) -> None:
    registry = FileUserRegistry("weather", tmp_path / "users.toml")
    registry.set_groups("alice", ["staff"])
    settings = running.bus.settings
    staff = parse_holder("group:staff")
    assert staff is not None
    office = replace(settings.destinations["private"], name="office", roles={Role.SENDER: frozenset({staff})})
    running.bus.reconfigure(replace(settings, destinations={**settings.destinations, "office": office}))
    client = running.connect("alice")
    client.create_sender("office").send(Message(body="as staff"))
    registry.set_groups("alice", [])
    running.bus.access.recheck()
    ends(client, "CF-BUS-020")
