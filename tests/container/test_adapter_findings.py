"""What adapters say of themselves is part of what `connector check` says (CONF-4, BUS-3)."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import pytest
from support_container import ProfileFolder

from connector.container.configuration.surgery import SetValue
from connector.container.configuration_editor import ConfigurationEditor
from connector.container.start_checks import check_as_a_start_would
from connector.errors import ConfigError
from connector.security.file_registry import FileUserRegistry
from connector.spi import PostureFinding
from connector_bus import BusResourceAdapter


def test_a_bus_whose_security_has_no_effect_is_an_error_beside_that_of_the_container(profile: ProfileFolder) -> None:
    profile.edit("security = true", "security = false")
    profile.edit("[buses.shop]\nsecurity = false", "[buses.shop]\nsecurity = true")
    profile.edit("[application]", '[application]\nunsecured = "allow"', descriptor=True)
    with profile.open() as container:
        found = [(each.severity, each.code, each.place) for each in container.findings()]
    assert ("error", "CF-CTR-030", "container.security") in found
    assert ("error", "CF-BUS-130", "buses.shop.security") in found


def test_a_user_that_was_removed_is_reported_with_what_it_still_holds(profile: ProfileFolder) -> None:
    with profile.open() as container:
        before = [each for each in container.findings() if each.code == "CF-BUS-132"]
        users = profile.folder / "users.toml"
        users.write_text(users.read_text().replace("shop-applications", "somebody-else"))
        after = [each for each in container.findings() if each.code == "CF-BUS-132"]
    assert before == []
    assert after
    assert all("user:shop-applications holds" in each.text for each in after)


def test_an_adapter_that_can_t_say_is_reported_and_the_rest_is_there(
    profile: ProfileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: BusResourceAdapter) -> Iterable[PostureFinding]:
        raise ValueError("no registry")

    monkeypatch.setattr(BusResourceAdapter, "findings", failing)
    with profile.open() as container:
        (finding,) = [each for each in container.findings() if each.code == "CF-CTR-105"]
    assert (finding.severity, finding.place) == ("warning", "adapter bus")
    assert "no registry" in finding.text


def test_somebody_who_has_left_stops_no_start_and_is_reported(
    profile: ProfileFolder, caplog: pytest.LogCaptureFixture
) -> None:
    registry = FileUserRegistry("shop", profile.folder / "users.toml")
    registry.add_user("zoe", profile.password)
    profile.edit('connector = ["user:shop-applications"', 'connector = ["user:zoe", "user:shop-applications"')
    with profile.open() as container:
        assert not [each for each in container.findings() if each.code == "CF-BUS-132"]
    registry.remove_user("zoe")
    with caplog.at_level(logging.WARNING, "connector_bus"), profile.open() as container:
        [told] = [each.text for each in container.findings() if each.code == "CF-BUS-132"]
        given = SetValue(("buses", "shop", "default_roles", "sender"), ["user:nobody"])
        with pytest.raises(ConfigError, match=r"CF-BUS-004: found user:nobody"):  # nobody unknown is given a role
            container.configuration.change([given])
    assert told.startswith("user:zoe holds connector")
    assert "buses.shop.roles.connector[0]: found user:zoe" in caplog.text


@pytest.mark.parametrize("running", [True, False])
def test_of_two_who_have_left_one_can_be_taken_out_of_the_roles_after_the_other(
    profile: ProfileFolder, running: bool
) -> None:
    registry = FileUserRegistry("shop", profile.folder / "users.toml")
    for user in ("zoe", "zack"):
        registry.add_user(user, profile.password)
    profile.edit(
        'connector = ["user:shop-applications"', 'connector = ["user:zoe", "user:zack", "user:shop-applications"'
    )
    others = ["user:shop-applications", "user:shop-service", "group:clients", "user:admin"]

    def take_out(editor: ConfigurationEditor) -> None:
        for left in (["user:zack"], []):
            editor.set("buses.shop.roles.connector", [*left, *others])
        with pytest.raises(ConfigError, match=r"CF-BUS-004: found user:zoe"):
            editor.set("buses.shop.roles.connector", ["user:zoe", *others])

    with profile.open() as container:
        for user in ("zoe", "zack"):
            registry.remove_user(user)
        if running:
            take_out(container.configuration)
            assert not [each for each in container.findings() if each.code == "CF-BUS-132"]
    if not running:
        take_out(ConfigurationEditor(profile.configuration, check=check_as_a_start_would))
