"""Login configurations as objects: the built-in ones and those of `[login.NAME]` (SIGN-3, SIGN-4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connector.container.configuration.login_checks import BUILT_IN_LOGINS
from connector.container.configuration.model import LoginSection
from connector.container.plugins.catalogue import PluginCatalogue
from connector.security.login_chain import ChainEntry, LoginConfiguration
from connector.spi import ControlFlag, LoginModule


def module_maker(catalogue: PluginCatalogue, module: str) -> Callable[[], LoginModule]:
    """What makes a login module of that entry-point name, anew for each login.

    The module is imported when it is first made: one that can't be imported fails as its own link of the chain would,
    and obeys its flag (connectors.md 2.16, rule 6).
    """

    def make() -> LoginModule:
        made: LoginModule = catalogue.load("connector.mappers", module)()
        return made

    return make


def build(configured: Mapping[str, LoginSection], catalogue: PluginCatalogue) -> dict[str, LoginConfiguration]:
    """All login configurations by name.

    Args:
        configured: The `[login]` tables of the configuration, validated.
        catalogue: Where modules are found.
    """
    configurations = {
        name: LoginConfiguration(name, (ChainEntry(module, module_maker(catalogue, module), ControlFlag.REQUIRED, {}),))
        for name, module in BUILT_IN_LOGINS.items()
    }
    for name, login in configured.items():
        configurations[name] = LoginConfiguration(
            name,
            tuple(
                ChainEntry(
                    entry.module, module_maker(catalogue, entry.module), ControlFlag(entry.flag), dict(entry.options)
                )
                for entry in login.stack
            ),
        )
    return configurations
