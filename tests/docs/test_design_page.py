"""The design's map of rooms and the tree are the same: what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "design.md").read_text()
PRODUCT = ("connector", "adapters", "mappers", "plugins")
SOURCES = [path for room in PRODUCT for path in (ROOT / room).rglob("*.py")]
FILES = [path.relative_to(ROOT).as_posix() for path in (*SOURCES, *(ROOT / "tests").rglob("*.py"))]


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`([\w/]+\.py)`", PAGE))))
def test_each_file_that_it_names_is_there(named: str) -> None:
    assert any(path.endswith(f"/{named}") or path == named for path in FILES)


def test_it_names_the_prefixes_of_all_codes_and_no_other() -> None:
    prefixes = PAGE[PAGE.index("Prefixes: ") : PAGE.index("A failed login chain")]
    declared = {found for path in SOURCES for found in re.findall(r'"(CF-[A-Z]+)-\d', path.read_text())}
    assert set(re.findall(r"CF-[A-Z]+", prefixes)) == declared
