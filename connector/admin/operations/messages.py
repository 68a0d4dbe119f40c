"""Operations on messages: send, receive, browse, request.

On a bus of this container signed on as the caller, where the bus checks its own roles; or by a connection factory of
the configuration, signed on as it says or as the user given, for operators of this container.
"""

from __future__ import annotations

import base64
from contextlib import AbstractContextManager
from typing import Any

from connector.admin.access import Access
from connector.admin.administered import AdministeredBus
from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.errors import ConfigError, ConnectionFailed, Reason, RequestFailed
from connector.spi import Message, ServerPrincipal

NO_MESSAGES = Reason(
    "CF-ADM-140",
    "{reference} gives no connections that messages are sent over.",
    "Name a connection factory of a bus or of an AMQP broker.",
)

NO_REPLY = Reason(
    "CF-ADM-151",
    "no reply to the request to {destination} came to {response} within {timeout} s.",
    "See whether somebody consumes there, and whether they may send to {response}.",
)

REQUEST_FAILED = Reason(
    "CF-ADM-152",
    "the request to {destination} failed with {fault_code}: {fault_text}",
    "The request stands in the exception destination with the same reason.",
)

#: The property by which an engine's reply says that it is a fault.
_FAULT = "connector_fault"
#: The longest wait of one receive, in seconds: so often it is looked whether anybody still waits for the answer.
SLICE = 0.5
#: How many messages `browse` answers unless told otherwise.
BROWSE_LIMIT = 100


def _connection(target: Target, request: Request) -> AbstractContextManager[AdministeredBus]:
    reference = request.arguments.optional_text("reference")
    if reference is not None:
        return _borrowed(target, request, reference)
    bus = request.arguments.text("bus")
    login = request.login
    if login is None:
        return target.container.bus_connection(bus, None, None)
    return target.container.bus_connection(bus, login.user, login.password)


def _borrowed(target: Target, request: Request, reference: str) -> AbstractContextManager[AdministeredBus]:
    request.require(Access.OPERATOR)  # whatever the operation: an alias of the configuration's may step in here
    factory, user = target.container.lookup(reference), request.arguments.optional_text("user")
    if not hasattr(factory, "get_connection"):
        raise ConfigError(NO_MESSAGES, reference=reference)
    given = () if user is None else (user, request.arguments.password("password"))
    connection = factory.get_connection(*given)
    if not all(hasattr(connection, verb) for verb in ("send", "receive", "browse", "request")):
        connection.close()
        raise ConfigError(NO_MESSAGES, reference=reference)
    borrowed: AbstractContextManager[AdministeredBus] = connection
    return borrowed


def send(target: Target, request: Request) -> dict[str, Any]:
    """Send one message; answers its id."""
    destination = request.arguments.text("destination")
    with _connection(target, request) as connection:
        topic = request.arguments.optional_text("topic")
        about = {} if topic is None else {"topic": topic}
        message_id = connection.send(destination, request.arguments.anything("body"), **about)
    return {"destination": destination, "message_id": None if message_id is None else str(message_id)}


def receive(target: Target, request: Request) -> dict[str, Any] | None:
    """Take one message, or None after the timeout.

    A message is acknowledged as it is received. So the wait goes in slices, and none begins once the caller has gone:
    otherwise a command that was interrupted would swallow the next message.
    """
    destination, left = request.arguments.text("destination"), request.arguments.seconds("timeout")
    with _connection(target, request) as connection:
        while not request.abandoned():
            message = connection.receive(destination, timeout=min(SLICE, left))
            left -= SLICE
            if message is not None:
                return plain_message(message)
            if left <= 0:
                break
    return None


def browse(target: Target, request: Request) -> list[dict[str, Any]]:
    """Look at the first messages without taking them."""
    destination = request.arguments.text("destination")
    found: list[dict[str, Any]] = []
    with _connection(target, request) as connection:
        for message in connection.browse(destination):
            if len(found) == BROWSE_LIMIT or request.abandoned():
                break
            found.append(plain_message(message))
    return found


def request(target: Target, request: Request) -> dict[str, Any]:
    """Send and wait for the reply, on a queue of its own or on a named one.

    Raises RequestFailed for a fault, and the bus's own error after the timeout, or ConnectionFailed (CF-ADM-151).
    """
    arguments = request.arguments
    destination, timeout = arguments.text("destination"), arguments.seconds("timeout")
    response = arguments.optional_text("response")
    with _connection(target, request) as connection:
        if response is None:
            return plain_message(connection.request(destination, arguments.anything("body"), timeout=timeout))
        sent = connection.send(destination, arguments.anything("body"), reply_to=response)
        wanted, left = f"JMSCorrelationID = '{sent}'", timeout
        while not request.abandoned():  # in slices, as `receive`
            reply = connection.receive(response, timeout=min(SLICE, left), selector=wanted)
            left -= SLICE
            if reply is not None:
                _check_fault(reply, destination)
                return plain_message(reply)
            if left <= 0:
                break
    raise ConnectionFailed(NO_REPLY, destination=destination, response=response, timeout=f"{timeout:g}")


def _check_fault(reply: Message, destination: str) -> None:
    """Raise RequestFailed for an engine's word that the request failed, which nobody else can forge (CF-ADM-152)."""
    if _FAULT in reply.properties and isinstance(reply.identity, ServerPrincipal) and isinstance(reply.body, dict):
        code, text = str(reply.body.get("code")), str(reply.body.get("text"))
        raise RequestFailed(REQUEST_FAILED, destination=destination, fault_code=code, fault_text=text)


def plain_message(message: Message) -> dict[str, Any]:
    """A message as plain data; a body of bytes becomes `{"base64": …}`."""
    body = message.body
    if isinstance(body, bytes):
        body = {"base64": base64.b64encode(body).decode("ascii")}
    return {
        "message_id": message.message_id,
        "destination": message.destination,
        "identity": None if message.identity is None else str(message.identity),
        "timestamp": message.timestamp,
        "reply_to": message.reply_to,
        "correlation_id": message.correlation_id,
        "topic": message.topic,
        "delivery_count": message.delivery_count,
        "properties": dict(message.properties),
        "body": body,
    }
