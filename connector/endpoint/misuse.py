"""What an adapter is told that uses an endpoint in another way than its table has (`proxy_states`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.endpoint.proxy_states import Misuse, ProxyState, Step
from connector.errors import DeliveryError, Reason

if TYPE_CHECKING:
    from connector.endpoint.factory import HandlerEndpointFactory

CONCURRENT = Reason(
    "CF-ENDP-011",
    "an endpoint of {application}:{activation} was called ({step}) while it is {state}.",
    "The adapter must use one endpoint for each message in delivery; report it to the adapter's vendor.",
)
RELEASED = Reason(
    "CF-ENDP-012",
    "an endpoint of {application}:{activation} was called ({step}) after it had been released.",
    "The adapter must create another endpoint; report it to the adapter's vendor.",
)
BUSY_RELEASE = Reason(
    "CF-ENDP-015",
    "an endpoint of {application}:{activation} was to be released while it is {state}.",
    "The adapter must wait for the call to end, which goes on undisturbed; report it to the adapter's vendor.",
)
OUT_OF_ORDER = Reason(
    "CF-ENDP-016",
    "an endpoint of {application}:{activation} was called ({step}) while it is {state}.",
    "The order is before_delivery, at most one message, after_delivery; report it to the adapter's vendor.",
)
SECOND_DELIVERY = Reason(
    "CF-ENDP-017",
    "an endpoint of {application}:{activation} was given a second message between before_delivery and after_delivery.",
    "Each message needs a pair of its own; report it to the adapter's vendor.",
)
WRONG_THREAD = Reason(
    "CF-ENDP-018",
    "an endpoint of {application}:{activation} was called ({step}) on another thread than before_delivery.",
    "The three calls of one delivery belong to one work; report it to the adapter's vendor.",
)

LEFT_OPEN = Reason(
    "CF-ENDP-026",
    "an endpoint of {application}:{activation} was {state} when its work ended; what was between the brackets is rolled"
    " back.",
    "The adapter must call after_delivery, or release, whatever is raised; report it to the adapter's vendor.",
)
NOT_A_MESSAGE = Reason(
    "CF-ENDP-027",
    "an endpoint of {application}:{activation} was given a {kind} in place of a message.",
    "The adapter must make a connector.spi.Message of it; report it to the adapter's vendor.",
)

_REASONS = {
    Misuse.CONCURRENT: CONCURRENT,
    Misuse.RELEASED: RELEASED,
    Misuse.BUSY_RELEASE: BUSY_RELEASE,
    Misuse.OUT_OF_ORDER: OUT_OF_ORDER,
    Misuse.SECOND_DELIVERY: SECOND_DELIVERY,
}


def misused(misuse: Misuse, asked: Step, state: ProxyState, factory: HandlerEndpointFactory) -> DeliveryError:
    """The error for a call that is not in the table."""
    return _error(_REASONS[misuse], asked, factory, state=state.value)


def wrong_thread(asked: Step, factory: HandlerEndpointFactory) -> DeliveryError:
    """The error for a call between the brackets that comes from another thread."""
    return _error(WRONG_THREAD, asked, factory)


def left_open(state: ProxyState, factory: HandlerEndpointFactory) -> DeliveryError:
    """The error for brackets that nobody has closed."""
    return DeliveryError(LEFT_OPEN, application=factory.application, activation=factory.activation, state=state.value)


def not_a_message(found: object, factory: HandlerEndpointFactory) -> DeliveryError:
    """The error for something else than a message."""
    kind = type(found).__name__
    return DeliveryError(NOT_A_MESSAGE, application=factory.application, activation=factory.activation, kind=kind)


def _error(reason: Reason, asked: Step, factory: HandlerEndpointFactory, **more: str) -> DeliveryError:
    return DeliveryError(
        reason, application=factory.application, activation=factory.activation, step=asked.value, **more
    )
