"""Real servers for tests: what "missing" means."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """A server that a test (or, at its top, a module) needs isn't there: an error in CI, elsewhere a skip."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must have {what}")
    pytest.skip(f"needs {what}", allow_module_level=True)
