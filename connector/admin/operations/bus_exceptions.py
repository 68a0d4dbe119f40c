"""Operations on messages that failed: list, show, replay, discard (BUS-11, BUS-12)."""

from __future__ import annotations

from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target

#: Messages that one request works on: its answer shows the progress.
BATCH = 100


def list_exceptions(target: Target, request: Request) -> Any:
    """The messages that failed, with why, where, when and how often; without their bodies."""
    return _asked(target, request, "exceptions")


def show_exception(target: Target, request: Request) -> Any:
    """One of them with its properties; without its body."""
    return _asked(target, request, "exception", message=request.arguments.text("message"))


def replay(target: Target, request: Request) -> Any:
    """Give messages back to where they failed; a part of them a call. Answers how far it came."""
    return _worked_off(target, request, "replay", to=request.arguments.optional_text("to"))


def discard(target: Target, request: Request) -> Any:
    """Throw messages away for good; a part of them a call. Answers how far it came."""
    return _worked_off(target, request, "discard")


def _worked_off(target: Target, request: Request, command: str, **more: Any) -> Any:
    arguments = request.arguments
    more |= {name: arguments.optional_whole(name, least=0) for name in ("after", "until")}
    more |= {"messages": list(arguments.texts("messages")), "limit": BATCH}
    result = _asked(target, request, command, **more)
    request.notes.update(done=result["done"], failed=len(result["failed"]))
    return result


def _asked(target: Target, request: Request, command: str, **more: Any) -> Any:
    destination = request.arguments.optional_text("destination")
    return target.container.bus_command(request.arguments.text("bus"), command, {"destination": destination, **more})
