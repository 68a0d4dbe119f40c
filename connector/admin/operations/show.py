"""Operations that only look: status, explain, look-up, plug-ins, findings; and the connection test."""

from __future__ import annotations

from enum import Enum
from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.errors import ConfigError, Reason
from connector.security.login_outcome import ModuleResult

SUPPOSITION_WRONG = Reason("CF-ADM-034", "{text!r} supposes nothing.", "Write MODULE=RESULT, with one of {results}.")

_RESULTS = {result.value: result for result in ModuleResult}


def status(target: Target, _request: Request) -> dict[str, Any]:
    """The container's state."""
    return dict(target.container.status())


def explain(target: Target, request: Request) -> dict[str, Any]:
    """Where the sign-on of a reference comes from for a caller, without connecting (SIGN-8)."""
    caller = request.arguments.optional_text("caller")
    suppose = dict(_supposed(text) for text in request.arguments.texts("suppose"))
    reference = request.arguments.text("reference")
    return target.container.explain(reference, caller=caller, suppose=suppose).to_dict()


def _supposed(text: str) -> tuple[str, ModuleResult]:
    """MODULE=RESULT."""
    module, _, result = text.rpartition("=")
    if not module or result not in _RESULTS:
        raise ConfigError(SUPPOSITION_WRONG, text=text, results=", ".join(_RESULTS))
    return module, _RESULTS[result]


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
