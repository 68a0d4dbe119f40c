"""The table of settings in `docs/pools.md` against the configuration's own: nothing missing, no default gone stale."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from connector.container.configuration.pool_section import PoolSection
from connector.pool.flushing import FlushMode
from connector.pool.settings import LeakTrace, PurgePolicy, RetirePolicy, Validation

PAGE = (Path(__file__).parents[2] / "docs" / "pools.md").read_text()
ROWS = {
    key: [cell.strip() for cell in rest.split("|")]
    for key, rest in re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE.partition("## Settings")[2].partition("\n## ")[0], re.M)
}


def test_every_setting_has_its_row_in_the_order_of_the_configuration() -> None:
    assert list(ROWS) == list(PoolSection.model_fields)


@pytest.mark.parametrize("key", ROWS)
def test_a_row_says_meaning_default_reason_and_cost(key: str) -> None:
    assert len(ROWS[key]) == 4
    assert all(ROWS[key])


@pytest.mark.parametrize("key", ROWS)
def test_the_default_is_the_configurations(key: str) -> None:
    said = re.match(r"`(.*)`$", ROWS[key][1])
    written = tomllib.loads(f"{key} = {said[1]}") if said is not None else {}
    assert said is not None or ROWS[key][1].startswith("leave it out")
    assert getattr(PoolSection.model_validate(written), key) == getattr(PoolSection(), key)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("validation", Validation),
        ("purge_policy", PurgePolicy),
        ("retire_policy", RetirePolicy),
        ("leak_trace", LeakTrace),
    ],
)
def test_every_value_of_a_choice_is_named(
    key: str, values: type[Validation] | type[PurgePolicy] | type[RetirePolicy] | type[LeakTrace]
) -> None:
    assert [one.value for one in values if f'`"{one.value}"`' not in ROWS[key][0]] == []


@pytest.mark.parametrize("key", ROWS)
def test_off_is_named_where_it_is_allowed(key: str) -> None:
    try:
        PoolSection.model_validate({key: "off"})
    except ValueError:
        assert '`"off"`' not in ROWS[key][0]
    else:
        assert '`"off"`' in ROWS[key][0]


def test_every_flush_mode_is_told() -> None:
    operate = PAGE.partition("## Operate")[2]
    assert [mode.value for mode in FlushMode if f"| `{mode.value}`" not in operate] == []
