"""The mediation: sends each request to the destination that the configuration names for its location."""

from __future__ import annotations

import logging
from typing import Any

from connector import Message

log = logging.getLogger("weather.route")


def by_location(message: Message, context: Any) -> Message:
    """Route by `location`; the mediation's properties map each location to a destination."""
    location = str(message.body.get("location", ""))
    destination = context.properties.get(location)
    if destination is None:
        context.no_route(f"no national service for location {location!r}")
    log.info("%s: %s's request goes on to %s", context.destination, message.identity, destination)
    return message.replace(destination=destination)
