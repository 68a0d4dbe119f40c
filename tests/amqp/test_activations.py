"""Handlers that consume from a broker elsewhere: who calls them, what fails early, and what comes after a break."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support_amqp import Client, break_all, client
from support_amqp_activations import Calls, eventually, put_alias, serving, state
from support_rabbitmq import DEAD, LETTERS, RabbitMQ, password_of
from support_wire import Wire, require_proton

from connector.admin.main import main
from connector.errors import ConfigError

pytestmark = pytest.mark.amqp


def test_the_caller_is_whom_the_engine_names(bus: Wire, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", bus.port(), lambda *_: None) as (_, calls):
        for user in ("alice", "bob"):
            with bus.in_process(user) as connection:
                connection.send("requests", user)
        assert calls.wait_for(2)
    assert calls.seen == [("alice", "alice@weather", 0), ("bob", "bob@weather", 0)]


def test_a_client_can_not_name_another_caller(bus: Wire, tmp_path: Path) -> None:
    from proton import Message as WireMessage
    from proton import symbol

    forged = {symbol("x-opt-connector-user"): "bob", symbol("x-opt-connector-realm"): "weather"}
    with serving(tmp_path / "shop", bus.port(), lambda *_: None) as (_, calls):
        sender = bus.connect("alice").create_sender("requests")
        sender.send(WireMessage("forged", instructions=forged, annotations=dict(forged)))
        assert calls.wait_for(1)
    assert calls.seen == [("forged", "alice@weather", 0)]


def test_a_reply_answers_the_request(bus: Wire, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", bus.port(), lambda message, _: {"twice": 2 * message.body}):
        with bus.in_process("alice") as connection:
            assert connection.request("requests", 21, timeout=20).body == {"twice": 42}


def test_what_fails_comes_again_and_then_goes_to_the_exception_destination(bus: Wire, tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no")

    with serving(tmp_path / "shop", bus.port(), fail) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "bad")
        assert calls.wait_for(2)
        exceptions = bus.bus.engine.destinations.get("_SYSTEM.Exception.Destination.weather")
        assert eventually(lambda: len(list(bus.bus.engine.peek(exceptions))) == 1)
        [buried] = bus.bus.engine.peek(exceptions)
    assert [failures for _, _, failures in calls.seen] == [0, 1]
    assert buried.body == "bad"
    assert buried.properties["exception_identity"] == "alice@weather"


def test_without_an_alias_it_fails_early_with_the_brokers_reason(bus: Wire, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", bus.port(), lambda *_: None, alias=None) as (shop, _):
        failed = state(shop)
    assert failed["state"] == "failed"
    assert "CF-AMQP-013" in str(failed["error"])
    assert "PLAIN" in str(failed["error"])


def test_a_wrong_password_fails_it_and_the_right_one_brings_it_back(bus: Wire, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    with serving(folder, bus.port(), lambda *_: None, alias=("bob", "wrong")) as (shop, calls):
        assert "CF-AMQP-012" in str(state(shop)["error"])
        put_alias(folder, ("bob", "bob"))
        shop.container.update_auth_data()
        [activation] = shop.container.activations()
        activation.retry()
        assert eventually(lambda: state(shop)["state"] == "active")
        with bus.in_process("alice") as connection:
            connection.send("requests", "now")
        assert calls.wait_for(1)


@pytest.mark.parametrize("before", [("nobody", "wrong"), ("mallory", "mallory")], ids=["unknown user", "no connector"])
def test_a_user_who_does_not_get_in_fails_it_and_another_one_brings_it_back(
    bus: Wire, tmp_path: Path, before: tuple[str, str]
) -> None:
    folder = tmp_path / "shop"
    with serving(folder, bus.port(), lambda *_: None, alias=before) as (shop, calls):
        assert state(shop)["state"] == "failed"
        put_alias(folder, ("bob", "bob"))
        shop.container.update_auth_data()
        [activation] = shop.container.activations()
        activation.retry()
        assert eventually(lambda: state(shop)["state"] == "active")
        with bus.in_process("alice") as connection:
            connection.send("requests", "now")
        assert calls.wait_for(1)


def test_an_alias_that_is_not_there_fails_it_early_and_setting_it_brings_it_back(bus: Wire, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    with serving(folder, bus.port(), lambda *_: None, alias=("bob", "bob"), set_alias=False) as (shop, calls):
        assert state(shop)["state"] == "failed"
        assert "consumer" in str(state(shop)["error"])  # which alias
        put_alias(folder, ("bob", "bob"))
        shop.container.update_auth_data()
        [activation] = shop.container.activations()
        activation.retry()
        assert eventually(lambda: state(shop)["state"] == "active")
        with bus.in_process("alice") as connection:
            connection.send("requests", "now")
        assert calls.wait_for(1)


@pytest.mark.parametrize(
    ("alias", "destination", "code"),
    [
        (("mallory", "mallory"), "requests", "CF-BUS-012"),
        (("alice", "alice"), "private", "CF-BUS-021"),
        (("bob", "bob"), "nowhere", "CF-BUS-030"),
    ],
)
def test_what_the_bus_refuses_fails_it_with_the_buses_code(
    bus: Wire, tmp_path: Path, alias: tuple[str, str], destination: str, code: str
) -> None:
    folder = tmp_path / "shop"
    with serving(folder, bus.port(), lambda *_: None, alias=alias, destination=destination) as (shop, _):
        assert code in str(state(shop)["error"])


def test_it_subscribes_again_after_a_break(bus: Wire, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", bus.port(), lambda *_: None) as (shop, calls):
        assert state(shop)["healthy"]
        break_all(bus)
        with bus.in_process("alice") as connection:
            connection.send("requests", "after the break")
        assert calls.wait_for(1)
        assert eventually(lambda: bool(state(shop)["healthy"]))
    assert calls.seen == [("after the break", "alice@weather", 0)]


def test_what_was_in_delivery_at_a_break_comes_again(bus: Wire, tmp_path: Path) -> None:
    go_on = threading.Event()

    def wait(message: Any, _context: Any) -> None:
        go_on.wait(20)

    with serving(tmp_path / "shop", bus.port(), wait) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "interrupted")
        assert calls.wait_for(1)
        break_all(bus)
        go_on.set()
        assert calls.wait_for(2)
        assert eventually(lambda: not list(bus.bus.engine.peek(bus.bus.engine.destinations.get("requests"))))


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"identity": "user_id"}, "CF-AMQP-005"),
        ({"identity": "whoever"}, "CF-AMQP-006"),
        ({"identity": "annotation "}, "CF-AMQP-006"),
        ({"provider_endpoints": ["nowhere"]}, "CF-AMQP-003"),
        ({"provider_endpoints": []}, "CF-AMQP-002"),
    ],
)
def test_properties_that_are_wrong_together_are_found_at_the_start(
    tmp_path: Path, properties: dict[str, Any], code: str
) -> None:
    require_proton()
    with pytest.raises(ConfigError, match=code), serving(tmp_path / "shop", 1, lambda *_: None, **properties):
        pass


# --- a broker of another make -----------------------------------------------------------------------------------------


@contextmanager
def serving_on(
    rabbitmq: RabbitMQ, folder: Path, behaviour: Callable[[Any, Any], Any], **properties: Any
) -> Iterator[tuple[Client, Calls]]:
    """A handler that consumes from RabbitMQ, and a client that sends to it."""
    alias = ("server", password_of("server"))
    with client(folder / "sender", rabbitmq.port, send_user_id=True) as sender:
        with serving(folder / "shop", rabbitmq.port, behaviour, alias=alias, destination=LETTERS, **properties) as (
            _,
            calls,
        ):
            yield sender, calls


def test_the_caller_is_whom_rabbitmq_has_checked(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    given = {"identity": "user_id", "trust_user_id": True}
    with serving_on(rabbitmq, tmp_path, lambda *_: None, **given) as (sender, calls):
        for user in ("alice", "bob"):
            with sender.connect(user, password_of(user)) as connection:
                connection.send(LETTERS, user)
        assert calls.wait_for(2)
    assert calls.seen == [("alice", "alice@weather", 0), ("bob", "bob@weather", 0)]


def test_of_another_brokers_message_the_caller_is_nobody(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    with serving_on(rabbitmq, tmp_path, lambda *_: None) as (sender, calls):
        with sender.connect("alice", password_of("alice")) as connection:
            connection.send(LETTERS, "who?")
        assert calls.wait_for(1)
    assert [caller for _, caller, _ in calls.seen] == ["unauthenticated"]


def test_the_limit_of_redeliveries_holds_though_rabbitmq_does_not_count(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no")

    with serving_on(rabbitmq, tmp_path, fail) as (sender, calls):
        with sender.connect("alice", password_of("alice")) as connection:
            connection.send(LETTERS, "bad")
            assert calls.wait_for(2)
            dead = connection.receive(DEAD, 20)
    assert dead is not None
    assert dead.body == "bad"
    assert [failures for _, _, failures in calls.seen] == [0, 1]


def test_the_bus_selects(bus: Wire, tmp_path: Path) -> None:
    with serving(tmp_path / "shop", bus.port(), lambda *_: None, selector="day = 'Tuesday'") as (_, calls):
        with bus.in_process("alice") as connection:
            for day in ("Monday", "Tuesday"):
                connection.send("requests", day, properties={"day": day})
            assert calls.wait_for(1)
            left = connection.receive("requests", 5)
    assert [body for body, _, _ in calls.seen] == ["Tuesday"]
    assert left is not None
    assert left.body == "Monday"


def test_a_broker_that_does_not_select_is_refused_instead_of_giving_everything(
    rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    alias = ("server", password_of("server"))
    with serving(
        tmp_path, rabbitmq.port, lambda *_: None, alias=alias, destination=LETTERS, selector="day = 'Tuesday'"
    ) as (shop, _):
        assert "CF-AMQP-032" in str(state(shop)["error"])


# --- an alias that nobody had named -----------------------------------------------------------------------------------

ALIAS_KEYS = ('resources."jms/in".component_alias', 'applications.shop.activations."jms/in".alias')


def config(folder: Path, *arguments: str) -> Result:
    """`connector config …` at the running container, as its administrator."""
    password = folder / "admin.password"
    password.write_text("admin")
    asked = ("--login", "admin", "--login-password-file", str(password))
    return CliRunner().invoke(main, ["-c", str(folder / "connector.toml"), *asked, "config", *arguments])


@pytest.mark.parametrize("key", ALIAS_KEYS)
def test_naming_an_alias_by_command_brings_an_activation_back(bus: Wire, tmp_path: Path, key: str) -> None:
    folder = tmp_path / "shop"
    with serving(folder, bus.port(), lambda *_: None, alias=None) as (shop, calls):
        put_alias(folder, ("bob", "bob"))
        shop.container.update_auth_data()
        failed = state(shop)
        assert failed["state"] == "failed"
        assert "CF-AMQP-013" in str(failed["error"])

        done = config(folder, "set", key, "consumer")
        assert done.exit_code == 0, done.output
        assert state(shop)["state"] == "active"
        with bus.in_process("alice") as connection:
            connection.send("requests", "now")
        assert calls.wait_for(1)
    assert calls.seen == [("now", "alice@weather", 0)]


def test_naming_an_alias_that_does_not_get_in_leaves_it_failed_with_the_new_reason(bus: Wire, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    with serving(folder, bus.port(), lambda *_: None, alias=None) as (shop, _):
        put_alias(folder, ("bob", "wrong"))
        shop.container.update_auth_data()
        done = config(folder, "set", ALIAS_KEYS[0], "consumer")
        assert done.exit_code == 0, done.output
        assert state(shop)["state"] == "failed"
        assert "CF-AMQP-012" in str(state(shop)["error"])


def test_taking_the_alias_away_is_refused_and_deliveries_go_on(bus: Wire, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    with serving(folder, bus.port(), lambda *_: None) as (shop, calls):
        refused = config(folder, "unset", ALIAS_KEYS[0])
        assert refused.exit_code == 2
        assert "CF-CTR-070" in refused.output
        assert "CF-AMQP-013" in refused.output
        assert state(shop)["state"] == "active"
        with bus.in_process("alice") as connection:
            connection.send("requests", "still")
        assert calls.wait_for(1)
