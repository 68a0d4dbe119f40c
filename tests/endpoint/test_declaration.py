"""FLOW-5: declaring message-driven handlers."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from connector.endpoint.declaration import MessageContext, declared_handlers, message_driven
from connector.errors import DeploymentError
from connector.spi import Message


def module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    for key, value in members.items():
        if callable(value):
            value.__module__ = name if value.__module__ == __name__ else value.__module__
        setattr(made, key, value)
    return made


def test_a_marked_function_stays_callable_directly() -> None:
    @message_driven(activation="jms/in")
    def handler(message: Message, context: MessageContext | None) -> Any:
        return message.body

    assert handler(Message(body=1), None) == 1


def test_a_module_s_handlers_are_found_with_what_they_declare() -> None:
    @message_driven(activation="jms/in", roles_allowed={"clerk"}, transacted=True)
    def first(message: Message, context: MessageContext) -> None: ...

    @message_driven(activation="jms/other")
    async def second(message: Message, context: MessageContext) -> None: ...

    def third() -> None: ...

    found = declared_handlers(module("weather.uk", first=first, second=second, third=third, alias_of_first=first))
    assert [(d.activation, d.roles_allowed, d.transacted) for d in found] == [
        ("jms/in", frozenset({"clerk"}), True),
        ("jms/other", None, False),
    ]
    assert found[0].handler is first
    assert found[0].name.startswith("weather.uk:")


def test_a_handler_imported_from_elsewhere_is_not_declared_again_but_a_package_declares_its_parts() -> None:
    @message_driven(activation="jms/in")
    def handler(message: Message, context: MessageContext) -> None: ...

    handler.__module__ = "weather.uk"
    assert declared_handlers(module("weather_too", handler=handler)) == ()
    assert len(declared_handlers(module("weather", handler=handler))) == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"activation": ""}, "no activation"),
        ({"activation": "jms/in", "roles_allowed": "clerk"}, "not a set"),
    ],
)
def test_a_wrong_declaration_is_an_error_that_names_the_handler(arguments: dict[str, Any], problem: str) -> None:
    def handler(message: Message, context: MessageContext) -> None: ...

    with pytest.raises(DeploymentError, match=problem) as caught:
        message_driven(**arguments)(handler)
    assert caught.value.code == "CF-ENDP-001"
    assert "handler" in str(caught.value)
    assert 'roles_allowed={"ROLE"}' in caught.value.action


def test_a_class_is_no_handler_and_a_second_mark_is_refused() -> None:
    mark = message_driven(activation="jms/in")
    with pytest.raises(DeploymentError, match="no function"):
        mark(type("Handler", (), {}))

    def handler(message: Message, context: MessageContext) -> None: ...

    with pytest.raises(DeploymentError, match="twice"):
        mark(mark(handler))
