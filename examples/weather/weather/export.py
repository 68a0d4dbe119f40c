"""The front: asks the bus for a forecast, as whoever is logged in."""

from __future__ import annotations

from typing import Any

REQUESTS = "forecast.requests"


def ask(application: Any, location: str, day: str, *, timeout: float = 10.0) -> str:
    """The weather condition for a day at a location.

    Args:
        application: The `export` application of the container, `container.application("export")`.
        location: For example `UK`.
        day: For example `Tuesday` or `Tue`.
        timeout: Seconds to wait for the answer.

    Raises:
        connector.errors.RequestFailed: the request was refused or has no route; it stands in the exception destination.
    """
    with application.lookup("jms/weather").get_connection() as bus:
        answer = bus.request(REQUESTS, {"location": location, "day": day}, timeout=timeout)
    return str(answer.body["weatherCondition"])
