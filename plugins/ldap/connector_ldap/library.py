"""The library python-ldap: loaded where a directory is used, since it comes with an extra and is built from source."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from connector.errors import PluginError, Reason

LIBRARY_MISSING = Reason(
    "CF-LDAP-001",
    "a directory is configured and the library python-ldap can't be loaded: {why}.",
    "Install connector-framework[ldap]; it is built with a C compiler and the headers of OpenLDAP and SASL.",
)


def library() -> Any:
    """The module `ldap`. Blocks for the import, once. Raises PluginError (CF-LDAP-001)."""
    try:
        import_module("ldap.controls.libldap")
        return import_module("ldap")
    except ImportError as error:
        why = str(error)
    raise PluginError(LIBRARY_MISSING, why=why)
