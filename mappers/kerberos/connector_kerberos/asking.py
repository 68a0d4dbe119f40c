"""Asking a KDC through python-gssapi; its errors become ours, as values, so that no frame with keys hangs on them."""

from __future__ import annotations

import importlib
from typing import Any

from connector.errors import ConfigError, Reason

GSSAPI_MISSING = Reason(
    "CF-KRB-010",
    "Kerberos sign-on needs the package gssapi, which can't be loaded: {why}.",
    "Install the extra: pip install 'connector-framework[kerberos]'; it is built from source and needs a C compiler and"
    " the headers of MIT Kerberos (Debian: libkrb5-dev).",
)


def load_gssapi() -> Any:
    """The module, loaded where it is first used. Raises ConfigError where it isn't installed."""
    try:
        return importlib.import_module("gssapi")
    except (ImportError, OSError) as error:
        raise ConfigError(GSSAPI_MISSING, why=error) from error


def acquire(usage: str, principal: str, keytab: str, cache: str) -> Any:
    """A service's own ticket by its keytab, into that cache. Blocks for a round trip to the KDC. Raises GSSError."""
    gssapi = load_gssapi()
    name = gssapi.Name(principal, gssapi.NameType.kerberos_principal)
    store = {"ccache": cache, "client_keytab": keytab, "keytab": keytab}
    return gssapi.Credentials(usage=usage, name=name, store=store)


def ask_ticket(credentials: Any, service: str) -> None:
    """Have the library obtain a ticket for the service into the credentials' cache; nobody is connected.

    Blocks for a round trip to the KDC, or two. Raises GSSError.
    """
    gssapi = load_gssapi()
    name = gssapi.Name(service, gssapi.NameType.hostbased_service)
    gssapi.SecurityContext(name=name, creds=credentials, usage="initiate").step()


def write_cache(credentials: Any, cache: str) -> None:
    """Write all that the credentials hold into that cache. Does not ask a KDC. Raises GSSError."""
    credentials.store(store={"ccache": cache}, usage="initiate", overwrite=True)


def read_cache(cache: str) -> Any:
    """The credentials in a cache, as it is now. Does not ask a KDC. Raises GSSError, also where they have expired."""
    return load_gssapi().Credentials(usage="initiate", store={"ccache": cache})
