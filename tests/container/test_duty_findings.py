"""What `connector check` says of holders that nobody knows, users with several duties, checks that are off (CONF-4)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from support_container import ProfileFolder

from connector.spi import Duty
from connector_bus import BusResourceAdapter


def found(profile: ProfileFolder, *codes: str) -> list[tuple[str, str, str]]:
    with profile.open() as container:
        return [(each.severity, each.place, each.text) for each in container.findings() if each.code in codes]


def test_a_plain_profile_has_none(profile: ProfileFolder) -> None:
    assert found(profile, "CF-CTR-106", "CF-CTR-107", "CF-CTR-108", "CF-CTR-109", "CF-CTR-110") == []


def test_a_holder_of_an_admin_role_whom_nobody_knows_is_reported(profile: ProfileFolder) -> None:
    profile.edit('administrator = ["user:admin"]', 'administrator = ["user:admin", "user:mallory", "group:gone"]')
    told = found(profile, "CF-CTR-106")
    assert [place for _, place, _ in told] == ["admin.administrator"] * 2
    assert ["user:mallory" in told[0][2], "group:gone" in told[1][2]] == [True, True]


def test_a_holder_of_an_applications_role_whom_nobody_knows_is_reported(profile: ProfileFolder) -> None:
    with profile.open() as container:
        users = profile.folder / "users.toml"
        users.write_text(users.read_text().replace('"buyers"', '"sellers"'))
        told = [each.text for each in container.findings() if each.code == "CF-CTR-106"]
    assert any("group:buyers is in the role" in text for text in told)


def test_an_administrator_who_asserts_callers_as_well_is_reported(profile: ProfileFolder) -> None:
    profile.edit('identity_assertion = ["user:shop-applications"]', 'identity_assertion = ["user:admin"]')
    ((severity, place, text),) = found(profile, "CF-CTR-107")
    assert (severity, place) == ("warning", "buses.shop.identity_assertion")
    assert "'admin' asserts callers on a bus, and may change the configuration" in text


def test_a_user_who_administers_by_a_group_counts_as_well(profile: ProfileFolder) -> None:
    profile.edit('administrator = ["user:admin"]', 'administrator = ["user:admin", "group:buyers"]')
    profile.edit('identity_assertion = ["user:shop-applications"]', 'identity_assertion = ["user:alice"]')
    assert ["'alice'" in text for _, _, text in found(profile, "CF-CTR-107")] == [True]


def test_an_adapter_that_can_t_tell_its_duties_is_reported(
    profile: ProfileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(self: BusResourceAdapter) -> Iterable[Duty]:
        raise ValueError("no vault")

    monkeypatch.setattr(BusResourceAdapter, "duties", failing)
    ((severity, place, text),) = found(profile, "CF-CTR-110")
    assert (severity, place, "no vault" in text) == ("warning", "adapter bus", True)


def test_role_checks_that_are_off_are_reported(profile: ProfileFolder) -> None:
    profile.edit('security = true\nrealm = "shop"', 'security = true\napplication_security = false\nrealm = "shop"')
    profile.edit("[application]", '[application]\nunsecured = "allow"', descriptor=True)
    told = found(profile, "CF-CTR-108", "CF-CTR-109")
    assert [severity for severity, _, _ in told] == ["warning", "note"]
