"""A kill at any instant of an edit leaves the old or the new configuration, whole (CONF-8)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "kill_an_edit.py"


@pytest.mark.slow
def test_a_kill_at_each_system_call_of_an_edit_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["calls"] == counts["old"] + counts["new"] >= 8
    assert counts["old"] > 0
    assert counts["new"] > 0
