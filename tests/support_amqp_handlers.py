"""The handler of the containers that `tests/amqp/test_activations.py` starts; what it does is said by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from connector import MessageContext, message_driven
from connector.spi import Message

_behaviour: Callable[[Message, MessageContext], Any] | None = None


@contextmanager
def behaving(behaviour: Callable[[Message, MessageContext], Any]) -> Iterator[None]:
    """What the handler does within the block."""
    global _behaviour
    _behaviour = behaviour
    try:
        yield
    finally:
        _behaviour = None


@message_driven(activation="jms/in")
def handle(message: Message, context: MessageContext) -> Any:
    """Does as it is told."""
    assert _behaviour is not None
    return _behaviour(message, context)
