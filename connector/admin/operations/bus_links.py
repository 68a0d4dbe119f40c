"""Operations on the links of a bus to other buses: list, show, start, stop, route (BUS-12, BUS-15)."""

from __future__ import annotations

from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target


def list_links(target: Target, request: Request) -> Any:
    """All links of a bus with their states."""
    return _asked(target, request, "links")


def show_link(target: Target, request: Request) -> Any:
    """One link."""
    return _asked(target, request, "link", link=request.arguments.text("link"))


def start_link(target: Target, request: Request) -> Any:
    """Have a link send."""
    return _asked(target, request, "link_start", link=request.arguments.text("link"))


def stop_link(target: Target, request: Request) -> Any:
    """Have a link send nothing."""
    return _asked(target, request, "link_stop", link=request.arguments.text("link"))


def show_route(target: Target, request: Request) -> Any:
    """Where a message would go."""
    arguments = request.arguments
    asked = {"destination": arguments.text("destination"), "user": arguments.optional_text("user")}
    return _asked(target, request, "route", **asked)


def _asked(target: Target, request: Request, command: str, **more: Any) -> Any:
    return target.container.bus_command(request.arguments.text("bus"), command, more)
