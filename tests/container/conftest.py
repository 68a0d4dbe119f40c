"""Profiles for container tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_container import ProfileFolder


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[ProfileFolder]:
    """A fresh profile; its handler module and import path are forgotten afterwards."""
    before = list(sys.path)
    made = ProfileFolder(tmp_path)
    yield made
    sys.path[:] = before
    sys.modules.pop(made.module, None)
