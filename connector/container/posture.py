"""What `check` says of a container: findings with severity and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from connector.container.duty_findings import duty_findings
from connector.container.finding import Finding, finding, made
from connector.container.plugins.clash import check_import_name
from connector.container.plugins.info import PluginState
from connector.container.pool_findings import pool_findings
from connector.container.realm_findings import realm_findings
from connector.container.sign_on_findings import sign_on_findings
from connector.container.tls_findings import tls_findings
from connector.errors import PluginError, Reason
from connector.spi import PostureFinding

if TYPE_CHECKING:
    from connector.container.parts import Parts


SECURITY_OFF = Reason(
    "CF-CTR-030",
    "administrative security is off: role checks and bus security have no effect, commands need no login",
    "Set security = true in [container].",
)
ANY_CALLER = Reason(
    "CF-CTR-031",
    "the handler has no allowed roles: it takes any caller",
    "Name the roles in roles_allowed of its activation or of @message_driven.",
)
ACTIVATION_FAILED = Reason(
    "CF-CTR-032",
    "the activation failed: {failure}",
    "Put right what the text says; `connector auth-data refresh` or a restart tries again.",
)
PLUGIN_UNUSABLE = Reason(
    "CF-CTR-033",
    "the plugin of {distribution} {version} is {state}: {why}",
    "Correct, uninstall or block it ([plugins] deny).",
)
RESTART_WAITS = Reason(
    "CF-CTR-072", "the setting was changed and is not in force before the next start", "Restart the container."
)
ADAPTER_SILENT = Reason(
    "CF-CTR-105",
    "the adapter could not say what there is to report: {failure}",
    "Put right what the text says, and check again.",
)


def findings(parts: Parts, waiting: Iterable[str] = ()) -> tuple[Finding, ...]:
    """All findings, the gravest first. Blocks for the disk (what is installed is looked at).

    Args:
        parts: The container.
        waiting: The settings that were changed and wait for a restart.
    """
    found = [
        *_installation(),
        *_security(parts),
        *sign_on_findings(parts),
        *_handlers(parts),
        *_activations(parts),
        *made(pool_findings(parts)),
        *made(tls_findings(parts.configuration.tls)),
        *_adapters(parts),
        *made(realm_findings(parts)),
        *made(duty_findings(parts)),
        *_plugins(parts),
        *_configuration(parts),
        *(finding("warning", RESTART_WAITS, path) for path in waiting),
    ]
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda each: order[each.severity]))


def _installation() -> list[Finding]:
    try:
        check_import_name()
    except PluginError as error:
        return [Finding("error", error.code, "the Python environment", error.text, error.action)]
    return []


def _security(parts: Parts) -> list[Finding]:
    if parts.configuration.container.security:
        return []
    return [finding("error", SECURITY_OFF, "container.security")]


def _handlers(parts: Parts) -> list[Finding]:
    return [
        finding("warning", ANY_CALLER, deployed.activation.name)
        for deployed in parts.activations
        if parts.role_checks and not deployed.factory.roles_allowed
    ]


def _activations(parts: Parts) -> list[Finding]:
    return [
        finding("error", ACTIVATION_FAILED, deployed.activation.name, failure=deployed.activation.failure)
        for deployed in parts.activations
        if deployed.activation.failure is not None
    ]


def _adapters(parts: Parts) -> list[Finding]:
    """What adapters say of themselves; one that can't is reported and hinders no other."""
    found: list[Finding] = []
    for name, adapter in parts.adapters.items():
        try:
            found += [_told(each) for each in adapter.findings()]
        except Exception as error:  # noqa: BLE001 - an adapter's own code; the rest of the report is wanted
            found.append(finding("warning", ADAPTER_SILENT, f"adapter {name}", failure=error))
    return found


def _told(one: PostureFinding) -> Finding:
    # Not by `finding`: an adapter's own inserts may have any name.
    text, action = one.reason.text.format(**one.details), one.reason.action.format(**one.details)
    return Finding(one.severity, one.reason.code, one.place, text, action)


def _plugins(parts: Parts) -> list[Finding]:
    return [
        finding(
            "warning",
            PLUGIN_UNUSABLE,
            f"{plugin.group}:{plugin.name}",
            distribution=plugin.distribution,
            version=plugin.version,
            state=plugin.state.value,
            why=plugin.reason,
        )
        for plugin in parts.catalogue.plugins
        if plugin.state in {PluginState.FAILED, PluginState.INCOMPATIBLE}
    ]


def _configuration(parts: Parts) -> list[Finding]:
    return [
        Finding("warning", problem.code, problem.key_path, problem.found, problem.hint or problem.allowed)
        for problem in parts.configuration.warnings
    ]
