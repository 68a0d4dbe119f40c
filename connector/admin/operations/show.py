"""Operations that only look: status, explain, look-up, plug-ins, findings; and the connection test."""

from __future__ import annotations

from enum import Enum
from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target


def status(target: Target, _request: Request) -> dict[str, Any]:
    """The container's state."""
    return dict(target.container.status())


def explain(target: Target, request: Request) -> dict[str, Any]:
    """Where the sign-on of a reference comes from for a caller, without connecting (SIGN-8)."""
    caller = request.arguments.optional_text("caller")
    return target.container.explain(request.arguments.text("reference"), caller=caller).to_dict()


def lookup(target: Target, request: Request) -> dict[str, Any]:
    """What stands behind a name; settings, never secrets."""
    name = request.arguments.text("reference")
    application, separator, reference = name.partition(":")
    found = target.container.application(application).lookup(reference) if separator else target.container.lookup(name)
    return {"name": name, "type": type(found).__qualname__, "shown": repr(found)}


def test_connection(target: Target, request: Request) -> dict[str, Any]:
    """Connect once, outside the pool, after the authentication data was read again (AUTHD-3).

    Answers what it reached, the user actually at work, and how the sign-on came about.
    """
    reference = request.arguments.text("reference")
    result = target.container.test_connection(reference, caller=request.arguments.optional_text("caller"))
    plan = result.plan
    return {
        "reference": reference,
        "resource": plan.resource,
        "product": _plain(result.product),
        "version": _plain(result.version),
        "user": _plain(result.user),
        "signed_on_as": plan.user,
        "asserted": None if plan.asserted is None else plan.asserted.user,
        "source": plan.source.value,
        "explanation": plan.explanation.to_dict(),
    }


def plugins(target: Target, _request: Request) -> list[dict[str, Any]]:
    """All plug-ins found, broken ones with their reason (OPS-3)."""
    return [plain_plugin(plugin) for plugin in target.container.plugins()]


def plain_plugin(plugin: Any) -> dict[str, Any]:
    """A PluginInfo as plain data."""
    provides = plugin.provides
    return {
        "group": plugin.group,
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": _plain(plugin.state),
        "provides": provides if isinstance(provides, str | None) else [str(item) for item in provides],
        "reason": _plain(plugin.reason),
    }


def findings(target: Target, _request: Request) -> list[dict[str, Any]]:
    """The security posture of the running container."""
    return [
        {
            "severity": _plain(finding.severity),
            "code": finding.code,
            "place": finding.place,
            "text": finding.text,
            "action": finding.action,
        }
        for finding in target.container.findings()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        value = value.value
    return value if isinstance(value, str | int | float | None) else str(value)
