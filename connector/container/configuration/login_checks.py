"""Checking `[login]`: modules that exist, and built-in configurations left alone (SIGN-3, SIGN-4)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from connector.container.configuration.adapter_properties import PropertyChecker
from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.model import LoginSection, StackEntry
from connector.container.configuration.plugin_checks import check_plugin
from connector.container.configuration.problems import listed
from connector.container.configuration.shape import shaped, table_of_tables
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import MAPPERS
from connector.container.plugins.mapper_file import REALM_OPTION
from connector.errors import Reason
from connector.security.login_outcome import CONSEQUENCE
from connector.spi import ControlFlag

LOGIN_PROTECTED = Reason(
    "CF-CONF-053", "the login configuration {name!r}, which is built in and protected", "Choose another name (SIGN-3)."
)
MODULE_PROTECTED = Reason(
    "CF-CONF-054",
    "the module {module!r} in a chain: it is that of DefaultPrincipalMapping, and can't be stacked",
    "Leave it out, or use DefaultPrincipalMapping itself (SIGN-3).",
)

MODULE_BY_CLASS = Reason(
    "CF-CONF-056",
    "the class {module!r} in place of a module's name",
    "Name an entry point of connector.mappers: nothing else is loaded, so that [plugins] decides. As it stands {so}.",
)

#: The login configurations that are there without being configured, each with the one module that it consists of.
BUILT_IN_LOGINS: Mapping[str, str] = MappingProxyType(
    {"DefaultPrincipalMapping": "default", "TrustedConnectionMapping": "trusted"}
)
_NEVER_STACKED = BUILT_IN_LOGINS["DefaultPrincipalMapping"]


def check_login(
    data: Mapping[str, Any], catalogue: PluginCatalogue, checker: PropertyChecker, *, realm: str | None
) -> Mapping[str, LoginSection]:
    """`[login]`, without the built-in configurations; declared options converted, file paths absolute.

    Imports no module: what only the module itself can tell of its options is checked at the start.

    Args:
        data: The whole configuration.
        catalogue: The plugins.
        checker: Checks declared options, and collects the mistakes.
        realm: The container's own realm; None where that is wrong.
    """
    problems = checker.problems
    checked: dict[str, LoginSection] = {}
    for name, table in table_of_tables(data, "login", problems).items():
        path = ("login", name)
        if name in BUILT_IN_LOGINS:
            problems.add(LOGIN_PROTECTED, path, allowed="a name of your own", name=name)
        section = shaped(LoginSection, table, path, problems).section
        if section is None:
            continue
        stack = tuple(
            _checked_entry(entry, (*path, "stack", number), catalogue, checker, realm)
            for number, entry in enumerate(section.stack)
        )
        checked[name] = section.model_copy(update={"stack": stack})
    return MappingProxyType(checked)


def _checked_entry(
    entry: StackEntry, path: KeyPath, catalogue: PluginCatalogue, checker: PropertyChecker, realm: str | None
) -> StackEntry:
    where = (*path, "module")
    if entry.module == _NEVER_STACKED:
        checker.problems.add(MODULE_PROTECTED, where, allowed="another module", module=entry.module)
        return entry
    consequence = CONSEQUENCE[ControlFlag(entry.flag)]
    if ":" in entry.module and entry.module not in catalogue.names(MAPPERS):
        checker.problems.add(
            MODULE_BY_CLASS, where, allowed=listed(catalogue.names(MAPPERS)), module=entry.module, so=consequence
        )
        return entry
    usable = check_plugin(
        catalogue, MAPPERS, entry.module, where, checker.problems, what="login module", consequence=consequence
    )
    described = catalogue.mappers.get(entry.module)
    if not usable or described is None:
        return entry
    options = dict(entry.options)
    if REALM_OPTION in described.options and realm is not None:
        options.setdefault(REALM_OPTION, realm)
    return entry.model_copy(update={"options": checker.table(options, described.options, (*path, "options"))})
