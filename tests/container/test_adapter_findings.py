"""What adapters say of themselves is part of what `connector check` says (CONF-4, BUS-3)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from support_container import ProfileFolder

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
