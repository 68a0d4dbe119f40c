"""A changed configuration is in force at once where it can be, all of it or nothing (CONF-8, DEMO-3)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_container import ProfileFolder, request

from connector import Container
from connector.container.configuration.surgery import SetValue, Unset
from connector.container.edit_report import EditReport, Effect
from connector.container.edited_text import CHANGED_MEANWHILE
from connector.errors import AccessDenied, ConfigError, ConnectorError, RequestFailed

OTHER = """
from connector import message_driven

@message_driven(activation="jms/orders", roles_allowed={"buyer"})
def refuse_order(message, context):
    return {"sold out": message.body["item"]}
"""


def change(container: Container, key: tuple[str | int, ...], value: Any) -> EditReport:
    """Set one key."""
    return container.configuration.change([SetValue(key, value)])


@pytest.fixture
def other_handlers(profile: ProfileFolder) -> str:
    """Another handler module that lies ready."""
    name = f"{profile.module}_other"
    (profile.folder / "modules" / f"{name}.py").write_text(OTHER)
    return name


def test_a_handler_module_is_replaced_while_the_container_runs(profile: ProfileFolder, other_handlers: str) -> None:
    with profile.open() as container:
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
        report = change(container, ("applications", "shop", "application", "handlers"), [other_handlers])
        assert (report.effect, report.file) == (Effect.LIVE, str(profile.descriptor))
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"sold out": "tea"}
    assert f'handlers = ["{other_handlers}"]' in profile.descriptor.read_text()


def test_no_message_is_lost_or_handled_twice_while_handlers_are_replaced(
    profile: ProfileFolder, other_handlers: str
) -> None:
    key = ("applications", "shop", "application", "handlers")
    answers: list[Any] = []

    def ask(number: int) -> None:
        answers.append((number, request(container, "alice", {"item": str(number)}, profile.password)))

    with profile.open() as container:
        askers = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
        for number, asker in enumerate(askers):
            asker.start()
            if number % 4 == 3:
                change(container, key, [other_handlers] if number != 7 else [profile.module])
        for asker in askers:
            asker.join(20)
    assert sorted(number for number, _ in answers) == list(range(12))
    taken = [answer["taken"] for _, answer in answers if "taken" in answer]
    assert sorted(item for _, item in profile.rows()) == sorted(taken)


def test_a_role_of_an_application_is_taken_away_at_once(profile: ProfileFolder) -> None:
    with profile.open() as container:
        request(container, "alice", {"item": "tea"}, profile.password)
        assert change(container, ("applications", "shop", "roles", "buyer", "groups"), []).effect is Effect.LIVE
        with pytest.raises(RequestFailed) as caught:
            request(container, "alice", {"item": "tea"}, profile.password)
        assert caught.value.details["fault_code"] == "CF-ENDP-010"


def test_a_bus_role_is_taken_away_on_an_open_connection(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with container.login("alice", profile.password):
            with container.application("shop").lookup("jms/shop").get_connection() as bus:
                bus.request("orders", {"item": "tea"}, timeout=10.0)
                report = change(container, ("buses", "shop", "destinations", "orders", "inherit_defaults"), value=False)
                assert report.live == ("buses.shop.destinations.orders.inherit_defaults",)
                with pytest.raises(AccessDenied):
                    bus.send("orders", {"item": "tea"})


def test_a_destination_is_added_while_the_bus_runs(profile: ProfileFolder) -> None:
    with profile.open() as container:
        report = change(container, ("buses", "shop", "destinations", "bills.in", "type"), "queue")
        assert (report.effect, report.restart) == (Effect.LIVE, ())
        with container.bus_connection("shop", "alice", profile.password) as bus:
            bus.send("bills.in", "one")
            message = bus.receive("bills.in", timeout=5.0)
            assert message is not None
            assert message.body == "one"


def test_what_was_kept_for_a_destination_is_there_when_it_comes_back(profile: ProfileFolder) -> None:
    profile.edit("[applications]", '[buses.shop.destinations.bills]\ntype = "queue"\n\n[applications]')
    with profile.open() as container, container.bus_connection("shop", "alice", profile.password) as bus:
        bus.send("bills", "kept")
    profile.edit('[buses.shop.destinations.bills]\ntype = "queue"\n', "")
    with profile.open() as container:
        change(container, ("buses", "shop", "destinations", "bills", "type"), "queue")
        with container.bus_connection("shop", "alice", profile.password) as bus:
            message = bus.receive("bills", timeout=5.0)
            assert message is not None
            assert message.body == "kept"


def test_a_pool_grows_while_it_lends(profile: ProfileFolder) -> None:
    with profile.open() as container:
        report = change(container, ("resources", "jdbc/orders", "pool", "max_size"), 7)
        assert report.effect is Effect.LIVE
        assert container.pool("jdbc/orders").statistics().max_size == 7


def test_a_pools_other_settings_wait_for_a_restart(profile: ProfileFolder) -> None:
    with profile.open() as container:
        report = change(container, ("resources", "jdbc/orders", "pool", "aged_timeout"), "1h")
        assert (report.effect, report.restart) == (Effect.RESTART, ('resources."jdbc/orders".pool.aged_timeout',))
        assert ("CF-CTR-072", 'resources."jdbc/orders".pool.aged_timeout') in {
            (finding.code, finding.place) for finding in container.findings()
        }


def test_the_security_switch_waits_for_a_restart_and_nothing_is_open_meanwhile(profile: ProfileFolder) -> None:
    profile.edit("[application]", '[application]\nunsecured = "allow"', descriptor=True)
    with profile.open() as container:
        report = change(container, ("container", "security"), value=False)
        assert (report.effect, report.restart) == (Effect.RESTART, ("container.security",))
        assert container.security
        with pytest.raises(RequestFailed):
            request(container, "carol", {"item": "tea"}, profile.password)
    with profile.open() as container:
        assert not container.security


def test_a_switch_that_would_keep_the_next_start_from_coming_about_is_refused(profile: ProfileFolder) -> None:
    before = profile.configuration.read_bytes()
    with profile.open() as container, pytest.raises(ConfigError) as caught:
        change(container, ("container", "security"), value=False)
    assert caught.value.code == "CF-CTR-024"
    assert profile.configuration.read_bytes() == before


def test_a_resource_that_is_new_can_be_looked_up(profile: ProfileFolder) -> None:
    table = {"adapter": "sql", "properties": {"url": f"sqlite:///{profile.folder}/orders.db"}}
    with profile.open() as container:
        assert change(container, ("resources", "jdbc/more"), table).effect is Effect.LIVE
        with container.lookup("jdbc/more").get_connection() as connection:
            assert connection.exec_driver_sql("SELECT 1").scalar() == 1


def test_an_application_that_is_new_is_deployed(profile: ProfileFolder, other_handlers: str) -> None:
    (profile.folder / "second.toml").write_text(
        f'[application]\nhandlers = ["{other_handlers}"]\npath = ["modules"]\n[roles.buyer]\ngroups = ["buyers"]\n'
        '[activations."jms/orders"]\nbind = "jms/bills-in"\n'
    )
    resource = {
        "adapter": "bus",
        "kind": "activation",
        "component_alias": "shop-service",
        "properties": {"bus": "shop", "destination": "bills"},
    }
    bills = {"type": "queue", "roles": {"receiver": ["user:shop-service"]}}
    with profile.open() as container:
        report = container.configuration.change(
            [
                SetValue(("buses", "shop", "destinations", "bills"), bills),
                SetValue(("resources", "jms/bills-in"), resource),
                SetValue(("applications", "second"), "second.toml"),
            ]
        )
        assert (report.effect, report.restart) == (Effect.LIVE, ())
        with container.bus_connection("shop", "alice", profile.password) as bus:
            assert bus.request("bills", {"item": "tea"}, timeout=10.0).body == {"sold out": "tea"}


def test_an_application_that_is_taken_away_handles_nothing_more(profile: ProfileFolder) -> None:
    with profile.open() as container:
        container.configuration.change([Unset(("applications", "shop"))])
        with container.bus_connection("shop", "alice", profile.password) as bus:
            bus.send("orders", {"item": "tea"})
        assert container.status()["activations"] == []
    assert profile.rows() == []


def test_a_change_that_can_not_be_put_in_force_is_taken_back_in_memory_and_on_disk(profile: ProfileFolder) -> None:
    before = profile.descriptor.read_bytes()
    with profile.open() as container:
        with pytest.raises(ConnectorError) as caught:  # nobody can sign on by it
            change(container, ("applications", "shop", "activations", "jms/orders", "alias"), "no-such-alias")
        assert caught.value.code == "CF-CTR-070"
        assert profile.descriptor.read_bytes() == before
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}


def test_a_change_that_can_not_be_written_is_taken_back_in_memory(
    profile: ProfileFolder, other_handlers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("connector.container.edited_text.replace_file", full)
    with profile.open() as container:
        with pytest.raises(ConfigError) as caught:
            change(container, ("applications", "shop", "application", "handlers"), [other_handlers])
        assert (caught.value.code, caught.value.details["cause"]) == ("CF-CONF-075", "No space left on device")
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}


def test_a_file_that_changes_meanwhile_is_not_overwritten(
    profile: ProfileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with profile.open() as container:
        editor = container.configuration
        applier = editor._applier
        assert applier is not None
        original: Callable[..., Any] = applier.apply

        def somebody_else_saves(*arguments: Any) -> Any:
            profile.edit("max_size = 2", "max_size = 3")
            return original(*arguments)

        monkeypatch.setattr(type(applier), "apply", lambda _self, *arguments: somebody_else_saves(*arguments))
        with pytest.raises(ConfigError) as caught:
            editor.change([SetValue(("resources", "jdbc/orders", "pool", "max_size"), 9)])
        assert caught.value.reason is CHANGED_MEANWHILE
        assert container.pool("jdbc/orders").statistics().max_size == 2
    assert "max_size = 3" in profile.configuration.read_text()


def test_an_edited_file_is_put_in_force_by_reload(profile: ProfileFolder) -> None:
    with profile.open() as container:
        profile.edit("max_size = 2", "max_size = 4")
        report = container.configuration.reload()
        assert report.live == ('resources."jdbc/orders".pool.max_size',)
        assert container.pool("jdbc/orders").statistics().max_size == 4


def test_a_wrong_file_leaves_everything_in_force_and_is_told_with_its_line(profile: ProfileFolder) -> None:
    with profile.open() as container:
        profile.edit("max_size = 2", "max_size = 0")
        with pytest.raises(ConfigError) as caught:
            container.configuration.reload()
        (problem,) = caught.value.problems
        assert problem.file == str(profile.configuration)
        line = profile.configuration.read_text().splitlines()[(problem.line or 0) - 1]
        assert "max_size = 0" in line
        assert container.pool("jdbc/orders").statistics().max_size == 2


def test_a_role_for_somebody_who_does_not_exist_is_refused_with_its_line(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with pytest.raises(ConfigError) as caught:
            change(container, ("buses", "shop", "roles", "connector"), ["user:nobody-knows"])
        assert "nobody-knows" in str(caught.value)
        assert caught.value.problems[0].line is not None
    assert "nobody-knows" not in profile.configuration.read_text()


def test_a_change_that_is_reverted_waits_for_nothing(profile: ProfileFolder) -> None:
    key = ("resources", "jdbc/orders", "pool", "connection_timeout")
    with profile.open() as container:
        assert change(container, key, "6s").effect is Effect.RESTART
        assert change(container, key, "5s").effect is Effect.LIVE


def test_adding_to_the_same_list_twice_at_the_same_time_loses_neither(profile: ProfileFolder, tmp_path: Path) -> None:
    key = ("buses", "shop", "identity_assertion")

    def add(user: str) -> None:
        container.configuration.update(
            lambda data: [SetValue(key, [*data["buses"]["shop"]["identity_assertion"], f"user:{user}"])]
        )

    with profile.open() as container:
        threads = [threading.Thread(target=add, args=(user,)) for user in ("alice", "bob", "carol")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        held = container.configuration.get(key)["value"]
    assert sorted(held) == ["user:alice", "user:bob", "user:carol", "user:shop-applications"]


def test_an_application_stays_in_its_realm_until_the_next_start(profile: ProfileFolder) -> None:
    (profile.folder / "partners.toml").touch(0o600)
    profile.edit("[auth_data]", '[realms.partners]\npath = "partners.toml"\n\n[auth_data]')
    with profile.open() as container:
        report = change(container, ("applications", "shop", "application", "realm"), "partners")
        assert report.effect is Effect.RESTART
        assert container.application("shop").realm == "shop"
        # What is live of the same application goes on as in its realm.
        change(container, ("applications", "shop", "roles", "buyer", "users"), ["carol"])
        assert request(container, "carol", {"item": "tea"}, profile.password) == {"taken": "tea"}
    with profile.open() as container:
        assert container.application("shop").realm == "partners"


def test_a_new_application_is_of_a_realm_that_was_started(profile: ProfileFolder) -> None:
    (profile.folder / "partners.toml").touch(0o600)
    (profile.folder / "desk.toml").write_text('[application]\nrealm = "partners"\n')
    with profile.open() as container:
        assert change(container, ("realms", "partners", "path"), "partners.toml").effect is Effect.RESTART
        with pytest.raises(ConfigError, match="CF-CTR-097"):
            change(container, ("applications", "desk"), "desk.toml")
        assert "desk" not in profile.configuration.read_text()
    with profile.open() as container:
        assert change(container, ("applications", "desk"), {"descriptor": "desk.toml"}).effect is Effect.LIVE
        assert container.application("desk").realm == "partners"
