"""Operations on realms: who maps to whom, and forgetting what was kept of a registry (FLOW-3)."""

from __future__ import annotations

from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.errors import ConfigError, Reason

CALLER_WITHOUT_REALM = Reason(
    "CF-ADM-096", "{caller!r} names no realm.", "Write USER@REALM, the user as the foreign realm spells it."
)


def list_realms(target: Target, _request: Request) -> list[dict[str, Any]]:
    """All realms: registry, trust, what is kept, maps."""
    return [dict(realm) for realm in target.container.realms_status()]


def list_maps(target: Target, request: Request) -> list[dict[str, Any]]:
    """Who maps to whom, one line for each entry; with `to`, only those that lead to that user or group."""
    wanted = request.arguments.optional_text("to")
    lines = [
        {"kind": kind, "from": name, "of": inbound["from"], "to": ours, "realm": realm["realm"]}
        for realm in target.container.realms_status()
        for inbound in realm["inbound_maps"]
        for kind, name, ours in _entries(inbound)
    ]
    return [line for line in lines if wanted is None or line["to"] == wanted]


def _entries(inbound: Any) -> list[tuple[str, str, str]]:
    users = [("user", name, ours) for ours, who in inbound["users"].items() for name in who]
    return users + [("group", name, ours) for name, ours in inbound["groups"].items()]


def explain_caller(target: Target, request: Request) -> dict[str, Any]:
    """Who a caller of a foreign realm is here. Raises ConfigError (CF-ADM-096), and as the container does."""
    caller = request.arguments.text("caller")
    user, _, foreign = caller.rpartition("@")
    if not user or not foreign:
        raise ConfigError(CALLER_WITHOUT_REALM, caller=caller)
    groups, realm = request.arguments.texts("groups"), request.arguments.optional_text("realm")
    return target.container.explain_inbound(user, foreign, groups=groups, realm=realm).to_dict()


def refresh_users(target: Target, request: Request) -> dict[str, Any]:
    """Have a running container keep nothing of what its registries have answered, or nothing of one user."""
    user, realm = request.arguments.optional_text("user"), request.arguments.optional_text("realm")
    target.container.refresh_users(user, realm=realm)
    return {"user": user, "realm": realm}
