"""The documentation's examples run as tests, each page in a folder of its own, from top to bottom.

A block of TOML or Python whose first line is `# file: NAME` is written to that file (`# append: NAME`: to its end);
other Python runs, in one name
space a page; console lines that begin with `$ ` run in a shell and must exit with 0 (or with what `# exit N` says).
The ports that a page's files listen on are replaced by free ones, wherever the page names them.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_pages import Block, blocks
from support_wire import require_proton

ROOT = Path(__file__).parents[2]
#: Generated, without examples; tests/demo/test_levels.py goes through the tutorial.
ELSEWHERE = {"errors.md", "cli.md", "configuration.md", "kit.md", "tutorial-securing.md"}
PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if page.name not in ELSEWHERE)


#: A port that a chain, or the naming port, is told to have.
LISTENS_ON = re.compile(r"^port = (\d{4,5})$", re.MULTILINE)


def with_free_ports(found: list[Block]) -> list[Block]:
    """The same blocks, with a free port for each that a file of theirs listens on: it may be taken on this machine."""
    named = {port for block in found if block.language == "toml" for port in re.findall(LISTENS_ON, block.text)}
    with contextlib.ExitStack() as held:  # all at once, so that they differ
        sockets = {port: held.enter_context(socket.socket()) for port in sorted(named)}
        for one in sockets.values():
            one.bind(("127.0.0.1", 0))
        free = {port: str(one.getsockname()[1]) for port, one in sockets.items()}
    return [
        block._replace(text=re.sub(r"\b\d{4,5}\b", lambda number: free.get(number[0], number[0]), block.text))
        for block in found
    ]


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one console line as a reader would, with our commands on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("CONNECTOR", "COVERAGE"))} | {"PATH": path}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a page's files go; a container that its commands left running is ended."""
    yield tmp_path
    for lock in tmp_path.glob("**/container.lock"):
        with contextlib.suppress(ValueError, ProcessLookupError):
            pid = int(lock.read_text())
            if pid != os.getpid():
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_the_page_do_what_they_say(
    page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if page.stem in ("amqp", "bus-network"):
        require_proton()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    names: dict[str, object] = {"__name__": f"docs_{page.stem}"}
    for block in with_free_ports(list(blocks(page))):
        file = re.match(r"# (file|append): (\S+)\n", block.text)
        if file:
            target = folder / file[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("w" if file[1] == "file" else "a") as out:
                out.write(block.text)
        elif block.language == "python":
            # padded, so that a traceback names the page's own line
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            exec(code, names)
        elif block.language == "console":
            for line in re.findall(r"^\$ (.*)$", block.text, re.MULTILINE):
                command, _, wanted = line.partition("  # exit ")
                done = shell(command, folder)
                where = f"{page.name}:{block.line}: {command}"
                assert done.returncode == int(wanted or 0), f"{where}\n{done.stdout}{done.stderr}"


def test_the_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "generate.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
