"""What `import connector` adds to the start of an interpreter."""

from __future__ import annotations

import sys
import tempfile

from benchmarks.harness import Result, against_limit, keeping_bytecode, process_seconds

LIMIT_MS = 60.0


def run(*, quick: bool) -> list[Result]:
    """Measure, each import next to a bare start."""
    rounds = 5 if quick else 21
    bare = [sys.executable, "-c", "pass"]
    importing = [sys.executable, "-c", "import connector"]
    added = []
    with tempfile.TemporaryDirectory() as folder:
        environment = keeping_bytecode(folder)
        process_seconds(importing, environment)  # compiles, which is not what is measured
        for _ in range(rounds):
            start = process_seconds(bare, environment)
            added.append((process_seconds(importing, environment) - start) * 1e3)
    return [against_limit("import", added, LIMIT_MS, unit="ms", note="over a bare interpreter")]
