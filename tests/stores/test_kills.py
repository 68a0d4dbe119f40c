"""A kill at any instant leaves the old or the new, both readable: real processes, real SIGKILL (AUTHD-5).

CONNECTOR_KILLS=1000 kills a thousand times instead of some.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "kill_a_store.py"
KILLS = int(os.environ.get("CONNECTOR_KILLS", "150"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "sql"])
def test_a_killed_process_leaves_the_old_or_the_new(kind: str, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    command = [sys.executable, str(SCRIPT), kind, str(tmp_path), str(KILLS), str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120 + 5 * KILLS)
    assert done.returncode == 0, f"seed {seed}:\n{done.stderr}"
    counts = json.loads(done.stdout)
    print(kind, counts)
    assert counts["kills"] >= KILLS
    assert counts["found_new"] > 0
    assert counts["rotations_resumed"] > 0
    assert kind == "sql" or counts["at_calls"] >= 30  # a put, and a rotation with its three replacements
