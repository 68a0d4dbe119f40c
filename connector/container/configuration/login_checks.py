"""Checking `[login]`: modules that exist, and built-in configurations left alone (SIGN-3, SIGN-4)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from connector.container.configuration.model import LoginSection
from connector.container.configuration.plugin_checks import check_plugin
from connector.container.configuration.problems import ProblemCollector
from connector.container.configuration.shape import shaped, table_of_tables
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import MAPPERS
from connector.errors import Reason

LOGIN_PROTECTED = Reason(
    "CF-CONF-053", "the login configuration {name!r}, which is built in and protected", "Choose another name (SIGN-3)."
)
MODULE_PROTECTED = Reason(
    "CF-CONF-054",
    "the module {module!r} in a chain: it is that of DefaultPrincipalMapping, and can't be stacked",
    "Leave it out, or use DefaultPrincipalMapping itself (SIGN-3).",
)

#: The login configurations that are there without being configured, each with the one module that it consists of.
BUILT_IN_LOGINS: Mapping[str, str] = MappingProxyType(
    {"DefaultPrincipalMapping": "default", "TrustedConnectionMapping": "trusted"}
)
_NEVER_STACKED = BUILT_IN_LOGINS["DefaultPrincipalMapping"]


def check_login(
    data: Mapping[str, Any], catalogue: PluginCatalogue, problems: ProblemCollector
) -> Mapping[str, LoginSection]:
    """`[login]`, without the built-in configurations."""
    checked: dict[str, LoginSection] = {}
    for name, table in table_of_tables(data, "login", problems).items():
        path = ("login", name)
        if name in BUILT_IN_LOGINS:
            problems.add(LOGIN_PROTECTED, path, allowed="a name of your own", name=name)
        section = shaped(LoginSection, table, path, problems).section
        if section is None:
            continue
        checked[name] = section
        for number, entry in enumerate(section.stack):
            where = (*path, "stack", number, "module")
            if entry.module == _NEVER_STACKED:
                problems.add(MODULE_PROTECTED, where, allowed="another module", module=entry.module)
            else:
                check_plugin(catalogue, MAPPERS, entry.module, where, problems, what="login module")
    return MappingProxyType(checked)
