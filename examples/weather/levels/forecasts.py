"""The weather service: a mediation that routes by location, and the national service of the UK."""

import json
from typing import Any

from connector import Message, MessageContext, message_driven


def asked(message: Message) -> Any:
    """What is asked for: a map, or JSON as text, whichever the client sends."""
    return json.loads(message.body) if isinstance(message.body, str) else message.body


def by_location(message: Message, context: Any) -> Message:
    """Send the request on to its country's service; without one it goes to the exception destination."""
    location = asked(message).get("location")
    if location not in context.properties:
        context.no_route(f"no national service for location {location!r}")
    return message.replace(destination=context.properties[location])


@message_driven(activation="jms/forecast-requests")
def forecast(message: Message, context: MessageContext) -> dict[str, str]:
    """On Tuesday it is sunny, on any other day cloudy."""
    return {"weatherCondition": "Sunny" if asked(message)["day"] in {"Tuesday", "Tue"} else "Cloudy"}
