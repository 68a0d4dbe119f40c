"""FLOW-4, FLOW-8: handlers that do what none should; each is contained, named and counted, and no message lost."""

from __future__ import annotations

import threading

import pytest
from support_container import ProfileFolder, request

from connector import Container
from connector.errors import RequestFailed

NAME = "shop:jms/orders"
HANDLER = """
import threading
from connector import message_driven

hang, entered = threading.Event(), threading.Event()
calls = []

@message_driven(activation="jms/orders", roles_allowed={"buyer"})
def misbehave(message, context):
    calls.append(message.body)
    entered.set()
    BODY
"""


def handler(profile: ProfileFolder, body: str) -> None:
    profile.handlers(HANDLER.replace("BODY", body))
    profile.edit("max_redeliveries = 1", "max_redeliveries = 0", descriptor=True)


def module(profile: ProfileFolder) -> object:
    import sys

    return sys.modules[profile.module]


def deliveries(container: Container) -> dict[str, object]:
    shown: dict[str, object] = container.status()["activations"][0]["deliveries"]
    return shown


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("raise SystemExit(3)", "CF-ENDP-020"),
        ("raise KeyboardInterrupt", "CF-ENDP-020"),
        ("raise GeneratorExit", "CF-ENDP-020"),
        ("raise BaseException('no subclass')", "CF-ENDP-020"),
        ("return object()", "CF-ENDP-021"),
        ("return (n for n in range(3))", "CF-ENDP-021"),
        ("return {'a': threading.Lock()}", "CF-"),
        ("return {1, 2}", "CF-ENDP-021"),
        ("return context", "CF-ENDP-021"),
    ],
)
def test_what_a_handler_raises_or_returns_is_its_own_failure_and_named(
    profile: ProfileFolder, body: str, code: str
) -> None:
    handler(profile, body)
    with profile.open() as container:
        for number in range(2):  # the thread and the activation are as good as before
            with pytest.raises(RequestFailed, match=code):
                request(container, "alice", {"item": number}, profile.password)
        shown = deliveries(container)
        assert sum(shown.get(outcome, 0) for outcome in ("failed", "delivered")) == 2  # type: ignore[misc]
        assert container.activation(NAME).report().healthy


def test_a_handler_that_hangs_is_seen_and_hangs_neither_the_others_nor_the_stop(profile: ProfileFolder) -> None:
    handler(profile, "hang.wait(60)")
    profile.edit("max_redeliveries = 0", "max_redeliveries = 0\nconcurrency = 2", descriptor=True)
    container = profile.open()
    try:
        with container.login("alice", profile.password):
            with container.application("shop").lookup("jms/shop").get_connection() as bus:
                bus.send("orders", {"item": "tea"})
        assert module(profile).entered.wait(10)  # type: ignore[attr-defined]
        assert deliveries(container)["active"] == 1
        assert container.activation(NAME).statistics().longest > 0
        assert container.activation(NAME).pause(0.0).in_delivery == 1
    finally:
        closing = threading.Thread(target=container.close)
        closing.start()
        closing.join(30)  # the handler would hang for twice as long
        assert not closing.is_alive()
        module(profile).hang.set()  # type: ignore[attr-defined]
    profile.handlers(HANDLER.replace("BODY", "return 'well'"))
    with profile.open() as container:  # the message was not settled, and its attempt not counted
        assert request(container, "bob", {"item": "milk"}, profile.password) == "well"
        assert module(profile).calls[0] == {"item": "tea"}  # type: ignore[attr-defined]


def test_a_handler_that_closes_the_container_ends_it_and_its_message_is_delivered_again(
    profile: ProfileFolder,
) -> None:
    handler(profile, "closing()")
    closed = threading.Event()
    container = profile.open()

    def closing() -> None:
        container.close()
        closed.set()

    module(profile).closing = closing  # type: ignore[attr-defined]
    with container.login("alice", profile.password):
        with container.application("shop").lookup("jms/shop").get_connection() as bus:
            bus.send("orders", {"item": "tea"})
    assert closed.wait(15)
    container.close()
    profile.handlers(HANDLER.replace("BODY", "return 'well'"))
    with profile.open() as container:
        request(container, "bob", {"item": "milk"}, profile.password)
        assert module(profile).calls == [{"item": "tea"}, {"item": "milk"}]  # type: ignore[attr-defined]
