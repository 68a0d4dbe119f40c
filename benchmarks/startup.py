"""From the start of a process to a ready container, against a bare process that imports the same libraries.

What is left over the bare process is ours: reading the configuration, plugins, authentication data, one database
resource, one bus with its store. The profile is the one that `connector init` writes, with a SQLite resource added.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Result, compare, keeping_bytecode, process_seconds
from connector.admin.new_profile import CONFIGURATION, NewProfile
from connector.spi import Secret

RESOURCE = """
[resources."jdbc/bench"]
adapter = "sql"
properties = { url = "sqlite:///bench.db" }
"""

#: Ends at once when the container is ready: stopping it is not what is measured.
START = "import os, sys; from connector import Container; Container.open(sys.argv[1], environ={}); os._exit(0)"

#: Tells which modules a start loads that are not ours, in the order of loading.
LIST = (
    "import json, sys; from connector import Container; container = Container.open(sys.argv[1], environ={}); "
    "print(json.dumps([m for m in sys.modules if not m.startswith(('connector', '__'))])); container.close()"
)


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "profile"
        folder.mkdir(mode=0o700)
        NewProfile("bench", "admin", Secret("not used"), security=True).write(folder)
        configuration = folder / CONFIGURATION
        with configuration.open("a", encoding="utf-8") as file:
            file.write(RESOURCE)
        libraries = Path(name) / "libraries.py"
        libraries.write_text(_imports(configuration), encoding="utf-8")
        opening = [sys.executable, "-c", START, str(configuration)]
        bare = [sys.executable, str(libraries)]
        environment = keeping_bytecode(str(Path(name) / "bytecode"))
        return [
            compare(
                "start to ready",
                "bare-imports",
                lambda: process_seconds(opening, environment) * 1e3,
                lambda: process_seconds(bare, environment) * 1e3,
                goal=1.8,
                unit="ms",
                rounds=3 if quick else 15,
                note="the peer is a process that imports the same libraries and ends",
            )
        ]


def _imports(configuration: Path) -> str:
    listed = subprocess.run(
        [sys.executable, "-c", LIST, str(configuration)], check=True, capture_output=True, text=True
    ).stdout
    names = json.loads(listed.splitlines()[-1])
    # Some modules exist only once another one has put them there: those cost nothing and are left out.
    return f"""
import importlib, os
for name in {names!r}:
    try:
        importlib.import_module(name)
    except Exception:
        pass
os._exit(0)
"""
