"""`connector transactions` on the files of a container that was killed: from the list to the operator's decision."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support_till import Till, killed

pytestmark = pytest.mark.postgresql

COMMAND = str(Path(sys.executable).with_name("connector"))


def connector(till: Till, *arguments: str) -> Any:
    """What a command says to programs."""
    done = subprocess.run(
        [COMMAND, "-c", str(till.path), "--json", "transactions", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return json.loads(done.stdout or done.stderr)


def test_an_operator_finds_out_and_decides(till: Till) -> None:
    killed(till, "notebook:committed", "notebook,bank")
    (doubt,) = connector(till, "recover")
    assert (doubt["standing"], doubt["in_doubt"]) == ("last-resource", True)
    assert [branch["resource"] for branch in doubt["branches"]] == ["bank"]
    assert "notebook" in doubt["meaning"]
    assert till.noted() == ["killed"], "so the others must commit"
    assert connector(till, "commit", doubt["unit"]) == []
    assert till.entries("bank") == ["killed"]
    refused = connector(till, "rollback", doubt["unit"])
    assert refused["error"]["code"] == "CF-TX-024"
    audited = (till.folder / "state" / "audit.log").read_text()
    assert '"commit-transaction"' in audited
    assert doubt["unit"] in audited
