"""Operations on subscriptions: list, show, delete (BUS-12)."""

from __future__ import annotations

from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target


def list_subscriptions(target: Target, request: Request) -> Any:
    """The subscriptions of a bus, or of one of its topic spaces."""
    return _asked(target, request, "subscriptions", destination=request.arguments.optional_text("destination"))


def show_subscription(target: Target, request: Request) -> Any:
    """One by its name."""
    return _asked(target, request, "subscription", subscription=request.arguments.text("subscription"))


def delete_subscription(target: Target, request: Request) -> Any:
    """Delete one that is not in use, with what waits on it."""
    result = _asked(target, request, "delete_subscription", subscription=request.arguments.text("subscription"))
    request.notes.update(messages=result["deleted"]["depth"])
    return result


def _asked(target: Target, request: Request, command: str, **more: Any) -> Any:
    return target.container.bus_command(request.arguments.text("bus"), command, more)
