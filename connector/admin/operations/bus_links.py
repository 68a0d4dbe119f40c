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
    """Where a message would go; with its topic, paths and `reply_to`, as far as they are given."""
    arguments = request.arguments
    texts = {name: arguments.optional_text(name) for name in ("user", "topic", "reply_to")}
    paths = {name: list(arguments.texts(name)) for name in ("forward_path", "reverse_path")}
    return _asked(target, request, "route", destination=arguments.text("destination"), **texts, **paths)


def _asked(target: Target, request: Request, command: str, **more: Any) -> Any:
    return target.container.bus_command(request.arguments.text("bus"), command, more)
