"""Administration under attack: at once, in the middle, behind its back; users who go (BUS-12, CONF-8)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support_container import until
from support_shop_commands import Shop

from connector.errors import AccessDenied, ConnectorError, Reason, RegistryUnavailable
from connector.spi import ResourceAdapter
from connector_bus import BusResourceAdapter

AWAY = Reason("CF-TEST-ATTACK-001", "the registry is away", "")
CONNECTOR = str(Path(sys.executable).with_name("connector"))
HOLDERS = ["user:alice", "user:bob", "user:carol", "user:admin", "group:clients", "group:buyers"]


def begun(shop: Shop, *arguments: str) -> subprocess.Popen[str]:
    """The command as a process of its own; where the container runs, as an administrator."""
    asked = ("--login", "admin", "--login-password-file", str(shop.password_file)) if shop.login else ()
    command = [CONNECTOR, "-c", str(shop.profile.configuration), *asked, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def add_all_at_once(shop: Shop) -> list[int]:
    place = ("--destination", "orders")
    processes = [begun(shop, "bus", "roles", "add", "shop", "sender", holder, *place) for holder in HOLDERS]
    for process in processes:
        process.communicate(timeout=120)
    return [process.returncode for process in processes]


@pytest.mark.parametrize("running", [False, True])
def test_of_administrators_who_edit_one_list_at_once_none_loses_an_edit(shop: Shop, running: bool) -> None:
    if running:
        with shop.running():
            assert add_all_at_once(shop) == [0] * len(HOLDERS)
    else:
        assert add_all_at_once(shop) == [0] * len(HOLDERS)
    roles = tomllib.loads(shop.text)["buses"]["shop"]["destinations"]["orders"]["roles"]
    assert sorted(roles["sender"]) == sorted(HOLDERS)


def test_commands_that_are_killed_leave_a_whole_file_and_a_lock_that_nobody_holds(shop: Shop) -> None:
    key = 'resources."jms/shop".pool.max_size'
    for number in range(6):
        process = begun(shop, "config", "set", key, str(number + 3))
        try:  # later each time: from before it reads until after it has written
            process.communicate(timeout=0.15 + 0.15 * number)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        assert shop.json("config", "get", "container.name")["value"] == "shop"
    assert shop.json("config", "set", key, "9")["changed"] is True


def test_a_container_that_is_killed_while_it_is_changed_starts_again(shop: Shop) -> None:
    run = begun(shop, "run")
    socket = shop.profile.folder / "state" / "admin.sock"
    try:
        until(socket.exists, 60)
        shop.login = "admin"
        edit = begun(shop, "bus", "roles", "add", "shop", "sender", "user:bob", "--destination", "orders")
        until(lambda: edit.poll() is not None or "user:bob" in shop.text, 60)
        os.kill(run.pid, signal.SIGKILL)
        edit.communicate(timeout=60)
    finally:
        shop.login = None
        run.kill()
        run.communicate()
    with shop.running():
        assert shop.json("status")["name"] == "shop"


def test_a_file_that_is_edited_wrongly_puts_nothing_in_force_and_right_again_everything(shop: Shop) -> None:
    right = shop.text
    with shop.running() as container, container.bus_connection("shop", "alice", shop.profile.password) as bus:
        for wrong in (
            right.replace("[buses.shop]", "[buses.shop"),
            right.replace('connector = ["user:shop-applications"', 'connector = ["user:mallory"'),
            right.replace("[buses.shop.destinations.orders]", '[buses.shop.destinations.orders]\ntype = "cue"'),
            "",
        ):
            shop.profile.configuration.write_text(wrong)
            assert shop("config", "reload").exit_code == 2
            bus.send("orders", {"item": "tea"})
        shop.profile.configuration.write_text(right)
        assert shop("config", "reload").exit_code == 0


def test_a_user_who_is_removed_while_connected_can_do_nothing_more(shop: Shop) -> None:
    with shop.running() as container, container.bus_connection("shop", "bob", shop.profile.password) as bus:
        bus.send("orders", {"item": "tea"})
        assert shop("users", "remove", "bob").exit_code == 0
        with pytest.raises(AccessDenied, match="CF-BUS-064"):  # the command has returned: at the very next use
            bus.send("orders", {"item": "tea"})
        with pytest.raises(ConnectorError):
            bus.receive("orders", timeout=0)
        with pytest.raises(ConnectorError):
            container.bus_connection("shop", "bob", shop.profile.password)


def test_who_leaves_a_group_loses_what_hung_on_it_on_open_connections(shop: Shop) -> None:
    shop("bus", "destinations", "add", "shop", "q", "inherit_defaults=false", 'roles.sender=["group:buyers"]')
    with shop.running() as container, container.bus_connection("shop", "bob", shop.profile.password) as bus:
        bus.send("q", 1)
        assert shop("users", "groups", "bob", "clients").exit_code == 0
        with pytest.raises(AccessDenied, match="CF-BUS-020"):
            bus.send("q", 1)
        assert shop("users", "groups", "bob", "clients", "buyers").exit_code == 0
        bus.send("q", 1)


def test_who_loses_the_connector_role_is_off_the_bus_without_connecting_again(shop: Shop) -> None:
    shop("bus", "roles", "add", "shop", "connector", "user:bob")
    shop("bus", "roles", "remove", "shop", "connector", "group:clients")
    with shop.running() as container, container.bus_connection("shop", "bob", shop.profile.password) as bus:
        bus.send("orders", {"item": "tea"})
        assert shop("bus", "roles", "remove", "shop", "connector", "user:bob").exit_code == 0
        with pytest.raises(AccessDenied, match="CF-BUS-012"):
            bus.send("orders", {"item": "tea"})
        with pytest.raises(AccessDenied):
            bus.receive("orders", timeout=0)


def test_a_consumer_that_waits_is_told(shop: Shop) -> None:
    shop("bus", "destinations", "add", "shop", "q", "inherit_defaults=false", 'roles.receiver=["user:bob"]')
    with shop.running() as container, container.bus_connection("shop", "bob", shop.profile.password) as bus:
        remover = begun(shop, "bus", "roles", "remove", "shop", "receiver", "user:bob", "--destination", "q")
        with pytest.raises(AccessDenied, match="CF-BUS-021"):
            bus.receive("q", timeout=60)
        remover.communicate(timeout=60)


def test_while_the_registry_is_away_what_was_known_stays_and_it_is_asked_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shop.running() as container, container.bus_connection("shop", "bob", shop.profile.password) as bus:
        rights = type(bus._physical().bus.engine.rights)
        present = rights.present

        def away(self: object, subject: object) -> object:
            raise RegistryUnavailable(AWAY)

        monkeypatch.setattr(rights, "present", away)
        assert shop("users", "remove", "bob").exit_code == 0
        bus.send("orders", {"item": "tea"})
        monkeypatch.setattr(rights, "present", present)
        with pytest.raises(AccessDenied, match="CF-BUS-064"):
            bus.send("orders", {"item": "tea"})


def test_an_adapter_that_fails_on_a_change_of_users_does_not_fail_the_change(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(self: ResourceAdapter) -> None:
        raise ValueError("no")

    monkeypatch.setattr(BusResourceAdapter, "users_changed", failing)
    with shop.running():
        assert shop("users", "remove", "bob").exit_code == 0
    assert "adapter bus failed on a change of users" in caplog.text
