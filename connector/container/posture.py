"""What `check` and `status` say of a container: findings with severity and what to do; plain data for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector.container.plugins.clash import check_import_name
from connector.errors import PluginError

if TYPE_CHECKING:
    from connector.container.startup import Parts


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a deployer should know.

    Attributes:
        severity: `error`, `warning` or `note`.
        code: A stable code.
        place: Where: a key path, a file, a plugin.
        text: What was found.
        action: What to do.
    """

    severity: str
    code: str
    place: str
    text: str
    action: str


def findings(parts: Parts) -> tuple[Finding, ...]:
    """All findings, the gravest first."""
    found = [
        *_installation(),
        *_security(parts),
        *_handlers(parts),
        *_activations(parts),
        *_plugins(parts),
        *_configuration(parts),
    ]
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _installation() -> list[Finding]:
    try:
        check_import_name()
    except PluginError as error:
        return [Finding("error", error.code, "the Python environment", error.text, error.action)]
    return []


def _security(parts: Parts) -> list[Finding]:
    core = parts.configuration.container
    if core.security:
        return []
    return [
        Finding(
            "error",
            "CF-CTR-030",
            "container.security",
            "administrative security is off: role checks and bus security have no effect, commands need no login",
            "Set security = true in [container].",
        )
    ]


def _handlers(parts: Parts) -> list[Finding]:
    return [
        Finding(
            "warning",
            "CF-CTR-031",
            deployed.activation.name,
            "the handler has no allowed roles: it takes any caller",
            "Name the roles in roles_allowed of its activation or of @message_driven.",
        )
        for deployed in parts.activations
        if parts.role_checks and not deployed.factory.roles_allowed
    ]


def _activations(parts: Parts) -> list[Finding]:
    return [
        Finding(
            "error",
            "CF-CTR-032",
            deployed.activation.name,
            f"the activation failed: {deployed.activation.failure}",
            "Put right what the text says; `connector auth-data refresh` or a restart tries again.",
        )
        for deployed in parts.activations
        if deployed.activation.failure is not None
    ]


def _plugins(parts: Parts) -> list[Finding]:
    return [
        Finding(
            "warning",
            "CF-CTR-033",
            f"{plugin.group}:{plugin.name}",
            f"the plugin of {plugin.distribution} {plugin.version} is {plugin.state}: {plugin.reason}",
            "Correct or uninstall it.",
        )
        for plugin in parts.catalogue.plugins
        if plugin.state in {"failed", "incompatible"}
    ]


def _configuration(parts: Parts) -> list[Finding]:
    return [
        Finding("warning", problem.code, problem.key_path, problem.found, problem.hint or problem.allowed)
        for problem in parts.configuration.warnings
    ]


def status(parts: Parts) -> dict[str, Any]:
    """The container's state as plain data."""
    core = parts.configuration.container
    return {
        "name": core.name,
        "security": core.security,
        "state": str(parts.state.folder),
        "adapters": sorted(parts.adapters),
        "resources": {
            name: {"adapter": resource.adapter, "pool": _pool(resource.pool.statistics())}
            for name, resource in parts.resources.items()
        },
        "applications": {name: list(one.references) for name, one in parts.applications.items()},
        "activations": [
            {
                "application": deployed.factory.application,
                "activation": deployed.factory.activation,
                "state": deployed.activation.state.value,
                "error": None if deployed.activation.failure is None else str(deployed.activation.failure),
            }
            for deployed in parts.activations
        ],
    }


def _pool(statistics: Any) -> dict[str, int]:
    return {name: getattr(statistics, name) for name in ("size", "free", "in_use", "waiting", "created", "destroyed")}
