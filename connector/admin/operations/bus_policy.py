"""Operations on the policy of a bus: why somebody may do something, and who would gain or lose by a change (BUS-16)."""

from __future__ import annotations

import tomllib
from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.errors import ConfigError, Reason

PROPOSAL_UNFIT = Reason(
    "CF-ADM-150", "the proposed configuration has no table of bus {bus}.", "Give a file with [buses.{bus}]."
)

_PLACE = ("destination", "topic", "foreign_bus", "temporary_prefix")


def explain(target: Target, request: Request) -> Any:
    """Why a user may or may not do something; nobody for no user."""
    arguments = request.arguments
    asked = {"role": arguments.text("role"), **_given(request, "user", *_PLACE)}
    return _asked(target, request, "explain", asked)


def diff(target: Target, request: Request) -> Any:
    """Who would gain and who would lose what; nothing is changed.

    `grant` and `revoke` are holders, at the place of the other arguments; `proposed` is the text of a configuration
    with the whole table of the bus. Raises ConfigError (CF-ADM-150).
    """
    arguments = request.arguments
    place: dict[str, Any] = _given(request, *_PLACE)
    if arguments.flag("default"):
        place["default"] = True
    role = arguments.optional_text("role")
    if role is not None:
        place["role"] = role
    changes = [{kind: holder, **place} for kind in ("grant", "revoke") for holder in arguments.texts(kind)]
    asked: dict[str, Any] = {"changes": changes, "users": list(arguments.texts("users"))}
    proposed = arguments.optional_text("proposed")
    if proposed is not None:
        bus = arguments.text("bus")
        try:
            asked["proposed"] = tomllib.loads(proposed)["buses"][bus]
        except (tomllib.TOMLDecodeError, KeyError, TypeError):
            raise ConfigError(PROPOSAL_UNFIT, bus=bus) from None
    return _asked(target, request, "diff", asked)


def show(target: Target, request: Request) -> Any:
    """The destinations of a bus with their depths and counts."""
    return _asked(target, request, "show", {})


def _given(request: Request, *names: str) -> dict[str, str]:
    found = {name: request.arguments.optional_text(name) for name in names}
    return {name: text for name, text in found.items() if text is not None}


def _asked(target: Target, request: Request, command: str, more: dict[str, Any]) -> Any:
    return target.container.bus_command(request.arguments.text("bus"), command, more)
