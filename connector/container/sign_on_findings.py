"""What `check` says of sign-on: missing aliases, unusable login modules, credentials that are refused (SIGN, AUTHD)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector.container.configuration.activation_checks import run_as_alias
from connector.container.configuration.key_paths import show_key_path
from connector.container.finding import Finding, finding
from connector.container.login_options import look_at
from connector.container.refused_logins import still_wrong
from connector.errors import Problem, Reason
from connector.security.login_outcome import CONSEQUENCE
from connector.spi import IN_THE_OPTIONS, ControlFlag

if TYPE_CHECKING:
    from connector.container.parts import Parts

# Without such a module the login fails, whatever the others say.
_NEEDED = frozenset({ControlFlag.REQUIRED, ControlFlag.REQUISITE})

STORE_FAILING = Reason(
    "CF-CTR-035",
    "the authentication data can't be read, the last good ones are in force: {failure}",
    "Put right what the text says; `connector auth-data refresh`, or the watch, puts them in force.",
)
ALIAS_MISSING = Reason(
    "CF-CTR-034",
    "the authentication alias {alias!r} does not exist",
    "Add it with `connector auth-data set {alias}`, or correct the name.",
)
MODULE_UNUSABLE = Reason(
    "CF-CTR-043",
    "the login module {module!r} can't be made: {why}; {consequence}",
    "Correct or install what brings it.",
)
LOGIN_REFUSED = Reason(
    "CF-CTR-042",
    "the external system refuses user {user!r} with the credential of alias {alias!r} ({code}, {failures} in a row); "
    "who is signed on already is served on",
    "Correct the alias ({alias}) and refresh, or put its password in force in the external system; "
    "`connector test-connection {resource}` tries it at once.",
)


def sign_on_findings(parts: Parts) -> list[Finding]:
    """All findings. Does not connect; may look at files that login modules go by."""
    return _store(parts) + _aliases(parts) + _logins(parts) + _refusals(parts)


def _store(parts: Parts) -> list[Finding]:
    failure = parts.auth_data.failure
    return [finding("error", STORE_FAILING, "auth_data", failure=failure)] if failure else []


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
        finding("error", ALIAS_MISSING, place, alias=alias)
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
                    finding(severity, MODULE_UNUSABLE, place, module=entry.module, why=looked, consequence=consequence)
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
        finding(
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
