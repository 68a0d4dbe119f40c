"""Calling a handler: `def` on this thread, `async def` on the event loop, and what may come out of it (FLOW-8)."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeVar

from connector.errors import ConnectorError, DeliveryError, Reason
from connector.spi import Message

T = TypeVar("T")

_log = logging.getLogger("connector.endpoint.handler")

HANDLER_RAISED = Reason(
    "CF-ENDP-020",
    "the handler {handler} of {application}:{activation} raised {cause}.",
    "See the cause; the message is delivered again or goes to the exception destination.",
)
NONSENSE = Reason(
    "CF-ENDP-021",
    "the handler {handler} of {application}:{activation} returned a {kind}, which can't be a reply.",
    "Return None, a Message, bytes, or what JSON can hold: dict, list, text, number, bool.",
)

_REPLIES = (dict, list, str, bytes, int, float, Message)


class CoroutineRunner(Protocol):
    """What is needed of the container's event loop; `connector.work.event_loop.EventLoopThread` is one."""

    def run(self, coroutine: Coroutine[Any, Any, T], context: Context) -> T:
        """Run a coroutine on the loop within the context, and wait for it."""
        ...


def call_handler(
    handler: Callable[..., Any], message: Message, context: object, loop: CoroutineRunner, names: dict[str, str]
) -> Any:
    """Call a handler and answer its reply.

    Args:
        handler: What to call with message and context; a coroutine function's coroutine runs on `loop`, in a copy of
            the current context, so that the scope in force here is in force there.
        message: The message.
        context: The handler's second argument.
        loop: Where coroutines run.
        names: `handler`, `application` and `activation`, for the errors.

    Blocks as long as the handler runs. Raises DeliveryError for whatever the handler raises (told by type: the text
    may hold a secret; the exception is the cause) and for a reply of a type that no message can carry. An interrupt of
    the main thread is the user's, and passes.
    """
    try:
        reply = handler(message, context)
        if inspect.iscoroutine(reply):
            reply = loop.run(reply, copy_context())
    except BaseException as error:
        if _is_the_users(error):
            raise
        # It is the developer's own exception: its text and traceback go to the application's log, and nowhere else.
        _log.error("the handler %s raised", names["handler"], exc_info=error)
        cause = f"{type(error).__name__} {error.code}" if isinstance(error, ConnectorError) else type(error).__name__
        raise DeliveryError(HANDLER_RAISED, cause=cause, **names) from error
    if reply is not None and not isinstance(reply, _REPLIES):
        raise DeliveryError(NONSENSE, kind=type(reply).__name__, **names)
    return reply


def _is_the_users(error: BaseException) -> bool:
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        return False
    return threading.current_thread() is threading.main_thread()
