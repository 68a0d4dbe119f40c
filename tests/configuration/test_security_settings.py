"""Which settings are the administrator's, and what of a configuration may be shown (CONF-4, AUTHD-4)."""

from __future__ import annotations

from typing import Any

import pytest

from connector.container.configuration.key_path_text import parse_key_path
from connector.container.configuration.resource_checks import section_owners
from connector.container.configuration.security_settings import is_security
from connector.container.configuration.shown import HIDDEN, shown
from connector.container.plugins.catalogue import PluginCatalogue
from connector.spi import ConfigProperty


@pytest.fixture(scope="module")
def declared() -> dict[str, ConfigProperty]:
    """The sections of all plugins that are installed."""
    owned = (each for owners in section_owners(PluginCatalogue.discover()) for each in owners.values())
    return {name: prop for each in owned for name, prop in each.items()}


@pytest.mark.parametrize(
    "key",
    [
        "container.security",
        "container.application_security",
        "realms.shop.trusted_inbound",
        "auth_data.path",
        "login.Payroll.stack",
        "admin.operator",
        "admin.port",
        "plugins.allow",
        "tls.node-default.trust_store",
        "resources.x.component_alias",
        "resources.x.properties.password",
        "resources.x.properties.user",
        "buses.b.security",
        "buses.b.roles.connector",
        "buses.b.default_roles.sender",
        "buses.b.identity_assertion",
        "buses.b.destinations.d.roles.sender",
        "buses.b.destinations.d.inherit_defaults",
        "applications.a.roles.buyer.groups",
        "applications.a.unsecured",
        "applications.a.application.unsecured",
        "applications.a.application.realm",
        "applications.a.references.r.login",
        "applications.a.references.r.res_auth",
        "applications.a.activations.x.roles_allowed",
        "applications.a.activations.x.alias",
    ],
)
def test_security_settings_are_the_administrators(key: str, declared: dict[str, ConfigProperty]) -> None:
    assert is_security(parse_key_path(key), declared)


@pytest.mark.parametrize(
    "key",
    [
        "container.state",
        "resources.x.adapter",
        "resources.x.pool.max_size",
        "resources.x.properties.url",
        "buses.b.destinations.d.type",
        "buses.b.destinations.d.max_redeliveries",
        "buses.b.destinations.d.mediations",
        # Names that deployers choose mean nothing, whatever they are.
        "buses.security.destinations.roles.type",
        "buses.b.destinations.user-passwords.max_redeliveries",
        "applications.roles.application.handlers",
        "applications.a.activations.x.concurrency",
        "applications.a.references.r.bind",
    ],
)
def test_other_settings_are_the_configurators(key: str, declared: dict[str, ConfigProperty]) -> None:
    assert not is_security(parse_key_path(key), declared)


def test_below_a_table_that_nobody_describes_every_word_counts() -> None:
    sections = {"things": ConfigProperty("things", type="table")}
    assert is_security(("things", "any", "name", "roles", "x"), sections)
    assert not is_security(("things", "any", "name", "color"), sections)


@pytest.mark.parametrize(
    ("key", "value", "visible"),
    [
        ("resources.x.properties.password", "hush", HIDDEN),
        ("resources.x.properties.password", "file:secret", "file:secret"),
        ("resources.x.properties.password", "env:SECRET", "env:SECRET"),
        ("resources.x.properties.api_token", "hush", HIDDEN),
        ("resources.x.properties.pin_secret", 1234, HIDDEN),
        ("resources.x.properties.url", "postgresql://u:hush@db/x", HIDDEN),
        ("resources.x.properties.url", "postgresql://db/x", "postgresql://db/x"),
        (
            "resources.x.properties",
            {"password": "hush", "a": [{"token": "hush"}]},
            {"password": HIDDEN, "a": [{"token": HIDDEN}]},
        ),
        ("auth_data.key", "file:vault.key", "file:vault.key"),
        ("tls.t.key_store", "keys/node.pem", "keys/node.pem"),
        ("container.security", True, True),
    ],
)
def test_what_may_be_a_secret_is_hidden_however_deep(key: str, value: Any, visible: Any) -> None:
    assert shown(value, parse_key_path(key)) == visible
