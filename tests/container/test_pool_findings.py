"""What `connector check` says of pools: only what a deployer would want to change (POOL-2)."""

from __future__ import annotations

import pytest
from support_container import ProfileFolder


def found(profile: ProfileFolder) -> list[tuple[str, str]]:
    with profile.open() as container:
        return [(one.code, one.severity) for one in container.findings() if one.place.endswith(".pool")]


def test_a_pool_as_it_should_be_is_not_mentioned(profile: ProfileFolder) -> None:
    profile.edit("max_size = 2", "max_size = 2, per_identity = 1")
    assert found(profile) == []


@pytest.mark.parametrize("limit", [2, 3])
def test_a_limit_of_each_identity_that_limits_nobody_is_a_note(profile: ProfileFolder, limit: int) -> None:
    profile.edit("max_size = 2", f"max_size = 2, per_identity = {limit}")
    assert found(profile) == [("CF-CTR-038", "note")]


def test_a_minimum_that_nobody_can_open_is_a_note(profile: ProfileFolder) -> None:
    profile.edit("max_size = 2", "max_size = 2, min_size = 1")
    assert found(profile) == [("CF-CTR-039", "note")]


def test_a_minimum_of_a_resource_that_signs_on_by_itself_is_fine(profile: ProfileFolder) -> None:
    profile.edit("max_size = 2", "max_size = 2, min_size = 1")
    profile.edit('adapter = "sql"\n', 'adapter = "sql"\ncomponent_alias = "shop-service"\n')
    assert found(profile) == []
