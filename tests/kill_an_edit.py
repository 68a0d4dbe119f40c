"""Kills real processes at each system call of an edit of the configuration, and looks at what they left; as a process.

    python kill_an_edit.py FOLDER

A child is forked for each call and kills itself there by SIGKILL, of a write with half of it done, until one comes
through. What the file holds afterwards must be the old or the new text, whole, and the next edit must come about.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from kill_a_store import SuicidalOs

from connector.container.configuration.surgery import SetValue
from connector.container.configuration_editor import ConfigurationEditor
from connector.security import durable_file

TEXT = """\
# by hand
[container]
name = "shop"  # never change it
[realms.shop]
registry = "file"
path = "users.toml"
[admin]
monitor = []
"""
CALLS = frozenset({"open", "write", "fchmod", "fsync", "close"})


def child(editor: ConfigurationEditor, at: int, holder: str) -> None:
    """Edit, and die at a call; or end with 0."""
    durable_file.os = SuicidalOs(at, CALLS)  # type: ignore[attr-defined, assignment]
    editor.change([SetValue(("admin", "monitor"), [holder])])
    os._exit(0)


def main(folder: Path) -> None:
    """Kill until an edit comes through; prints what was found after each kill."""
    path = folder / "connector.toml"
    path.write_text(TEXT)
    editor = ConfigurationEditor(path, environ={})
    found = {"old": 0, "new": 0}
    for at in range(100):
        before = path.read_text()
        holder = f"user:u{at}"
        wanted = TEXT.replace("monitor = []", f'monitor = ["{holder}"]')
        pid = os.fork()
        if pid == 0:
            child(editor, at, holder)
        _, status = os.waitpid(pid, 0)
        after = path.read_text()
        assert after in (before, wanted), f"killed at call {at}: {after!r}"
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            assert after == wanted
            print(json.dumps({"calls": at, **found}))
            return
        found["new" if after == wanted else "old"] += 1
    raise AssertionError("no edit came through")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
