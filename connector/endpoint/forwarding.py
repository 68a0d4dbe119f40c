"""A front for a bus without code: the handler asks the activation's `destination`, as its caller.

The application that deploys it binds two names::

    [application]
    handlers = ["connector.endpoint.forwarding"]
    [roles.user]
    groups = ["clients"]
    [references."jms/bus"]
    bind = "jms/weather"
    res_auth = "Container"
    login = "TrustedConnectionMapping"
    alias = "weather-applications"
    [activations."http/front"]
    bind = "http/forecasts"
"""

from __future__ import annotations

from typing import Any, Final

from connector.endpoint.declaration import message_driven
from connector.endpoint.message_context import MessageContext
from connector.errors import ConfigError, Reason
from connector.spi import Message

NO_DESTINATION = Reason(
    "CF-ENDP-040", "the front does not say where its requests go.", "Set `destination` of the activation's resource."
)
#: Seconds to wait for the reply.
TIMEOUT: Final = 30.0


@message_driven(activation="http/front", roles_allowed={"user"})
def forward(message: Message, context: MessageContext) -> Any:
    """Ask the destination; answers the body of the reply. Raises RequestFailed for a fault."""
    if message.destination is None:
        raise ConfigError(NO_DESTINATION)
    with context.lookup("jms/bus").get_connection() as bus:
        reply: Message = bus.request(message.destination, message.body, timeout=TIMEOUT)
    return reply.body
