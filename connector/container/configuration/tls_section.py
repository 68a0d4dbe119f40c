"""`[tls.NAME]`: key store, trust store and what is asked of the other side (CHAIN-3)."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from connector.container.configuration.adapter_properties import PropertyChecker
from connector.container.configuration.secret_sources import resolve_secret
from connector.container.configuration.sections import Name, Section
from connector.container.configuration.shape import shaped, table_of_tables
from connector.security.tls.settings import ClientAuthentication, TlsSettings
from connector.spi import Secret

_PROTOCOLS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsSection(Section):
    """`[tls.NAME]`: one TLS configuration, for endpoints and connections that name it.

    Stores are PEM files, folders of PEM files, or PKCS#12 (`.p12`, `.pfx`), relative to the file; `key_store` is the
    own key and certificate, `trust_store` the signers (without one a client trusts those of the operating system).
    Passwords of stores are `file:PATH` or `env:NAME`. `client_authentication` is what a server asks of its clients:
    no certificate, a trusted one if they show any, or a trusted one always. Renewed files are noticed.
    """

    key_store: Name | None = None
    key_store_password: Name | None = None
    trust_store: Name | None = None
    trust_store_password: Name | None = None
    client_authentication: Literal["none", "supported", "required"] = "none"
    minimum_protocol: Literal["1.2", "1.3"] = "1.2"


def check_tls(data: Mapping[str, Any], checker: PropertyChecker) -> Mapping[str, TlsSettings]:
    """All `[tls]` tables. Blocks for secrets in files; the stores themselves are read where they are used."""
    checked = {}
    for name, table in table_of_tables(data, "tls", checker.problems).items():
        section = shaped(TlsSection, table, ("tls", name), checker.problems).section
        if section is None:
            continue

        def secret(key: str, said: str | None, name: str = name) -> Secret | None:
            if said is None:
                return None
            place = ("tls", name, key)
            folder, environ = checker.folder, checker.environ
            return resolve_secret(said, place, folder=folder, environ=environ, problems=checker.problems)

        checked[name] = TlsSettings(
            name,
            None if section.key_store is None else checker.folder / section.key_store,
            None if section.trust_store is None else checker.folder / section.trust_store,
            secret("key_store_password", section.key_store_password),
            secret("trust_store_password", section.trust_store_password),
            ClientAuthentication(section.client_authentication),
            _PROTOCOLS[section.minimum_protocol],
        )
    return MappingProxyType(checked)
