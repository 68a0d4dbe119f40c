"""What `check` and `status` say of a container: findings with severity and what to do; plain data for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from connector.container.configuration.activation_checks import run_as_alias
from connector.container.configuration.key_paths import show_key_path
from connector.container.duty_findings import duty_findings
from connector.container.login_options import look_at
from connector.container.plugins.clash import check_import_name
from connector.container.plugins.info import PluginState
from connector.container.pool_findings import pool_findings
from connector.container.realm_findings import realm_findings
from connector.container.refused_logins import as_data, still_wrong
from connector.container.tls_findings import tls_findings
from connector.errors import PluginError, Problem, Reason
from connector.security.login_outcome import CONSEQUENCE
from connector.spi import IN_THE_OPTIONS, ControlFlag, PostureFinding

if TYPE_CHECKING:
    from connector.container.parts import Parts
    from connector.container.resources import Resource
    from connector.work.statistics import WorkStatistics


# Without such a module the login fails, whatever the others say.
_NEEDED = frozenset({ControlFlag.REQUIRED, ControlFlag.REQUISITE})


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
ALIAS_MISSING = Reason(
    "CF-CTR-034",
    "the authentication alias {alias!r} does not exist",
    "Add it with `connector auth-data set {alias}`, or correct the name.",
)
RESTART_WAITS = Reason(
    "CF-CTR-072", "the setting was changed and is not in force before the next start", "Restart the container."
)
STORE_FAILING = Reason(
    "CF-CTR-035",
    "the authentication data can't be read, the last good ones are in force: {failure}",
    "Put right what the text says; `connector auth-data refresh`, or the watch, puts them in force.",
)
MODULE_UNUSABLE = Reason(
    "CF-CTR-043",
    "the login module {module!r} can't be made: {why}; {consequence}",
    "Correct or install what brings it.",
)
ADAPTER_SILENT = Reason(
    "CF-CTR-105",
    "the adapter could not say what there is to report: {failure}",
    "Put right what the text says, and check again.",
)
LOGIN_REFUSED = Reason(
    "CF-CTR-042",
    "the external system refuses user {user!r} with the credential of alias {alias!r} ({code}, {failures} in a row); "
    "who is signed on already is served on",
    "Correct the alias ({alias}) and refresh, or put its password in force in the external system; "
    "`connector test-connection {resource}` tries it at once.",
)


def findings(parts: Parts, waiting: Iterable[str] = ()) -> tuple[Finding, ...]:
    """All findings, the gravest first. Blocks for the disk (what is installed is looked at).

    Args:
        parts: The container.
        waiting: The settings that were changed and wait for a restart.
    """
    examined = (
        _security,
        _store,
        _aliases,
        _logins,
        _refusals,
        _handlers,
        _activations,
        _pools,
        _tls,
        _adapters,
        _realms,
        _duties,
        _plugins,
        _configuration,
    )
    found = _installation() + [finding for examine in examined for finding in examine(parts)]
    found += [_finding("warning", RESTART_WAITS, path) for path in waiting]
    order = {"error": 0, "warning": 1, "note": 2}
    return tuple(sorted(found, key=lambda finding: order[finding.severity]))


def _finding(severity: str, reason: Reason, place: str, **details: object) -> Finding:
    return Finding(severity, reason.code, place, reason.text.format(**details), reason.action.format(**details))


def _installation() -> list[Finding]:
    try:
        check_import_name()
    except PluginError as error:
        return [Finding("error", error.code, "the Python environment", error.text, error.action)]
    return []


def _security(parts: Parts) -> list[Finding]:
    if parts.configuration.container.security:
        return []
    return [_finding("error", SECURITY_OFF, "container.security")]


def _store(parts: Parts) -> list[Finding]:
    failure = parts.auth_data.failure
    return [_finding("error", STORE_FAILING, "auth_data", failure=failure)] if failure else []


def _aliases(parts: Parts) -> list[Finding]:
    configuration = parts.configuration
    named = {f'resources."{name}"': resource.component_alias for name, resource in configuration.resources.items()}
    named |= {f'resources."{name}".recovery_alias': one.recovery_alias for name, one in configuration.resources.items()}
    for application in configuration.applications.values():
        named |= {f'{application.name}: references."{name}"': one.alias for name, one in application.references.items()}
        named |= {f'{application.name}: activations."{name}"': a.alias for name, a in application.activations.items()}
        named |= {
            f'{application.name}: activations."{name}".run_as': run_as_alias(one.run_as)
            for name, one in application.activations.items()
        }
    return [
        _finding("error", ALIAS_MISSING, place, alias=alias)
        for place, alias in named.items()
        if alias is not None and parts.auth_data.get(alias) is None
    ]


def _logins(parts: Parts) -> list[Finding]:
    """What became wrong since the start: an edit of a file that a module keeps its last good reading of."""
    found: list[Finding] = []
    for name in parts.configuration.login:
        for number, entry in enumerate(parts.logins[name].entries):
            place = show_key_path(("login", name, "stack", number))
            severity = "error" if entry.flag in _NEEDED else "warning"
            looked = look_at(entry, place)
            if isinstance(looked, str):
                consequence = CONSEQUENCE[entry.flag]
                found.append(
                    _finding(severity, MODULE_UNUSABLE, place, module=entry.module, why=looked, consequence=consequence)
                )
                continue
            found += [Finding("error", one.code, _where(one), one.found, one.hint or one.allowed) for one in looked]
    return found


def _where(problem: Problem) -> str:
    return (
        problem.key_path
        if problem.file == IN_THE_OPTIONS
        else f"{problem.file}:{problem.line or ''} {problem.key_path}"
    )


def _refusals(parts: Parts) -> list[Finding]:
    return [
        _finding(
            "warning",
            LOGIN_REFUSED,
            f'resources."{name}"',
            resource=name,
            user=refused.user,
            alias=refused.alias,
            code=refused.code,
            failures=refused.failures,
        )
        for name, resource in list(parts.resources.items())
        for refused in still_wrong(resource.refused_logins(), parts.auth_data.snapshot())
    ]


def _handlers(parts: Parts) -> list[Finding]:
    return [
        _finding("warning", ANY_CALLER, deployed.activation.name)
        for deployed in parts.activations
        if parts.role_checks and not deployed.factory.roles_allowed
    ]


def _activations(parts: Parts) -> list[Finding]:
    return [
        _finding("error", ACTIVATION_FAILED, deployed.activation.name, failure=deployed.activation.failure)
        for deployed in parts.activations
        if deployed.activation.failure is not None
    ]


def _pools(parts: Parts) -> list[Finding]:
    return [_finding(severity, reason, place, **details) for severity, reason, place, details in pool_findings(parts)]


def _tls(parts: Parts) -> list[Finding]:
    told = tls_findings(parts.configuration.tls)
    return [_finding(severity, reason, place, **details) for severity, reason, place, details in told]


def _adapters(parts: Parts) -> list[Finding]:
    """What adapters say of themselves; one that can't is reported and hinders no other."""
    found: list[Finding] = []
    for name, adapter in parts.adapters.items():
        try:
            found += [_told(each) for each in adapter.findings()]
        except Exception as error:  # noqa: BLE001 - an adapter's own code; the rest of the report is wanted
            found.append(_finding("warning", ADAPTER_SILENT, f"adapter {name}", failure=error))
    return found


def _told(one: PostureFinding) -> Finding:
    # Not by _finding: an adapter's own inserts may have any name.
    text, action = one.reason.text.format(**one.details), one.reason.action.format(**one.details)
    return Finding(one.severity, one.reason.code, one.place, text, action)


def _realms(parts: Parts) -> list[Finding]:
    return [_finding(severity, reason, place, **details) for severity, reason, place, details in realm_findings(parts)]


def _duties(parts: Parts) -> list[Finding]:
    return [_finding(severity, reason, place, **details) for severity, reason, place, details in duty_findings(parts)]


def _plugins(parts: Parts) -> list[Finding]:
    return [
        _finding(
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


def status(parts: Parts) -> dict[str, Any]:
    """The container's state as plain data."""
    core = parts.configuration.container
    return {
        "name": core.name,
        "security": core.security,
        "state": str(parts.state.folder),
        "auth_data": {
            "store": parts.configuration.auth_data.store,
            "aliases": len(parts.auth_data.snapshot()),
            "generation": parts.auth_data.generation,
            "error": parts.auth_data.failure or None,
        },
        "adapters": sorted(parts.adapters),
        "resources": {
            name: {
                "adapter": resource.adapter,
                "pool": _pool(resource.pool.statistics()),
                **_async_pools(resource),
                **_refused(parts, resource),
            }
            for name, resource in parts.resources.items()
        },
        "works": {one.adapter or "the container": _works(one) for one in parts.work_manager.statistics()},
        "applications": {name: list(one.references) for name, one in parts.applications.items()},
        "activations": [
            {**deployed.activation.report().to_dict(), "deliveries": deployed.factory.statistics().to_dict()}
            for deployed in parts.activations
        ],
    }


def _works(statistics: WorkStatistics) -> dict[str, int]:
    """How many works of an adapter run, wait and were run (FLOW-1)."""
    return {name: value for name, value in asdict(statistics).items() if name != "adapter"}


def _async_pools(resource: Resource) -> dict[str, Any]:
    """The pools for asyncio, one for each event loop; left out where none was ever asked for."""
    pools = resource.async_pools.statistics() if resource.async_pools is not None else ()
    return {"async_pools": [_pool(statistics) for statistics in pools]} if pools else {}


def _refused(parts: Parts, resource: Resource) -> dict[str, Any]:
    """The credentials in force that its external system refuses; left out where there are none."""
    wrong = still_wrong(resource.refused_logins(), parts.auth_data.snapshot())
    return {"refused_logins": [as_data(refused) for refused in wrong]} if wrong else {}


def _pool(statistics: Any) -> dict[str, int]:
    return {name: getattr(statistics, name) for name in ("size", "free", "in_use", "waiting", "created", "destroyed")}
