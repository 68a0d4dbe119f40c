"""The default mapping stays what it is: one module, without options (SIGN-3)."""

from __future__ import annotations

from connector.errors import ConfigError, Reason
from connector.security.login_configuration import LoginConfiguration

DEFAULT_MAPPING_CHANGED = Reason(
    "CF-SIGN-020",
    "the login configuration {login!r} is built in and has {found} instead of its one module.",
    "It can't be modified, replaced or stacked upon (SIGN-3): give your configuration another name.",
)

#: The one module that the default mapping consists of, by its entry-point name.
DEFAULT_MAPPING_MODULE = "default"


def check_default_mapping(configuration: LoginConfiguration | None) -> None:
    """Raises ConfigError where the configuration of that name is another one. Pure; None is fine: nobody uses it."""
    if configuration is None:
        return
    modules = [entry.module for entry in configuration.entries]
    options = any(entry.options for entry in configuration.entries)
    if modules != [DEFAULT_MAPPING_MODULE] or options:
        found = f"the modules [{', '.join(modules)}]" + (" with options" if options else "")
        raise ConfigError(DEFAULT_MAPPING_CHANGED, login=configuration.name, found=found)
