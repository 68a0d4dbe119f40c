"""FLOW-8, OPS-4: handlers driven without a container; and the driver needs neither pytest nor configuration."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pytest

from connector import MessageContext, message_driven
from connector.errors import NameNotFound, TransactionError
from connector.spi import Message, RedeliveryPolicy
from connector.testing.driver import HandlerDriver

USERS = {"alice": ["forecasters"], "bob": []}
ROLES = {"forecaster": ["forecasters"], "auditor": ["bob"]}


@message_driven(activation="jms/requests", roles_allowed={"forecaster"}, transacted=True)
def forecast(message: Message, context: MessageContext) -> dict[str, Any]:
    return {
        "weather": "Sunny",
        "for": str(context.caller_principal),
        "auditor": context.is_caller_in_role("auditor"),
        "log": context.lookup("jdbc/log"),
    }


def drive(handler: Any, **options: Any) -> HandlerDriver:
    return HandlerDriver(handler, **{"users": USERS, "roles": ROLES, **options})


def test_a_handler_is_called_as_its_sender_and_its_reply_and_unit_are_seen() -> None:
    with drive(forecast, lookups={"jdbc/log": "a log"}) as driver:
        delivered = driver.deliver({"location": "UK"}, user="alice")
        assert delivered.reply == {"weather": "Sunny", "for": "alice@test", "auditor": False, "log": "a log"}
        assert str(delivered.reply_message.identity) == "alice@test"  # type: ignore[union-attr]
        assert (delivered.acknowledged, delivered.deliveries, delivered.units) == (True, 1, ("committed",))
        assert [(event.action, event.who) for event in driver.audited] == [("deliver", "alice@test")]


def test_who_is_in_no_allowed_role_is_denied_and_the_handler_not_called() -> None:
    with drive(forecast) as driver:
        for user in ("bob", None):
            delivered = driver.deliver({}, user=user)
            assert (delivered.acknowledged, delivered.reason) == (False, "CF-ENDP-010")
            assert (delivered.deliveries, set(delivered.units)) == (6, {"rolled back"})


def test_what_a_handler_raises_its_redeliveries_and_delays_are_seen_and_not_waited_for() -> None:
    counts: list[int] = []

    def failing(message: Message, context: MessageContext) -> str:
        counts.append(context.delivery_count)
        if context.delivery_count < 2:
            raise ValueError("no such day")
        return "at last"

    policy = RedeliveryPolicy(limit=2, delay=60.0, backoff=2.0)
    with drive(failing, redelivery=policy) as driver:
        delivered = driver.deliver("x", user="alice")
        assert (delivered.reply, delivered.deliveries, delivered.delays) == ("at last", 3, (60.0, 120.0))
        assert [str(error) for error in delivered.errors] == ["no such day", "no such day"]
        assert counts == [0, 1, 2]


def test_a_message_that_always_fails_is_given_up_with_its_reason() -> None:
    def failing(message: Message, context: MessageContext) -> None:
        raise ValueError

    with drive(failing, max_redeliveries=1) as driver:
        delivered = driver.deliver("x")
    assert (delivered.acknowledged, delivered.reply, delivered.reason) == (False, None, "CF-ENDP-020")
    assert (delivered.deliveries, len(delivered.errors), delivered.units) == (2, 2, ())


def test_a_transacted_handler_may_roll_back() -> None:
    def changes_its_mind(message: Message, context: MessageContext) -> str:
        if context.delivery_count == 0:
            context.set_rollback_only()
        return "done"

    with drive(changes_its_mind, transacted=True) as driver:
        assert driver.deliver("x").units == ("rolled back", "committed")
    with drive(changes_its_mind) as driver:
        delivered = driver.deliver("x")
        assert isinstance(delivered.errors[0], TransactionError)


def test_a_coroutine_a_message_of_one_s_own_and_no_reply() -> None:
    async def handler(message: Message, context: MessageContext) -> str:
        await asyncio.sleep(0)
        return f"{message.properties['day']} {message.group} {context.activation}"

    with drive(handler) as driver:
        delivered = driver.deliver(Message("x", {"day": "Tuesday"}), group="g")
        assert delivered.reply == "Tuesday g messages"
        assert driver.deliver("x", reply=False, properties={"day": "Monday"}).reply is None


def test_a_look_up_that_the_test_gives_nothing_for_is_named() -> None:
    with drive(forecast, max_redeliveries=0) as driver:
        (error,) = driver.deliver({}, user="alice").errors
    assert isinstance(error, NameNotFound)
    assert "'jdbc/log'" in str(error)


def test_an_outage_of_the_registry_uses_no_attempt_up() -> None:
    came_back = threading.Event()

    with drive(lambda message, context: context.delivery_count, max_redeliveries=0) as driver:
        registry = driver.registry
        registry.away = True
        asked = registry.user_exists

        def user_exists(user: str) -> bool:
            try:
                return asked(user)
            finally:
                registry.away = False
                came_back.set()

        registry.user_exists = user_exists  # type: ignore[method-assign]
        delivered = driver.deliver("x", user="alice")
    assert came_back.is_set()
    assert (delivered.reply, delivered.acknowledged, delivered.deliveries) == (0, True, 2)


def test_a_handler_that_hangs_is_told_after_a_while_and_the_driver_ends() -> None:
    go_on = threading.Event()
    with drive(lambda *_: go_on.wait(30), patience=0.05) as driver:
        with pytest.raises(TimeoutError, match="CF-KIT-023"):
            driver.deliver("x")
        go_on.set()


def test_it_loads_without_pytest_and_without_configuration() -> None:
    code = (
        "import sys; from connector.testing.driver import HandlerDriver\n"
        "with HandlerDriver(lambda message, context: message.body) as driver:\n"
        "    assert driver.deliver('x').reply == 'x'\n"
        "print(sorted({'pytest', '_pytest', 'pydantic', 'transaction', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
