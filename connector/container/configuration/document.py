"""One TOML file: read, parsed, and indexed by line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.lines import line_index
from connector.errors import Problem, Reason

FILE_UNREADABLE = Reason(
    "CF-CONF-002", "a file that can't be read ({cause})", "Name a file that exists and may be read."
)
FILE_NOT_TEXT = Reason("CF-CONF-003", "bytes that are not UTF-8", "Save the file as UTF-8.")
SYNTAX_WRONG = Reason("CF-CONF-004", "text that is not TOML: {cause}", "Correct the syntax there.")

_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")
_END = re.compile(r"\s*\(at end of document\)")


@dataclass(frozen=True)
class Document:
    """A TOML file that was read.

    Attributes:
        file: The path as given, for messages.
        folder: The absolute folder that relative paths in the file start from.
        data: What it says.
        text: What stands in it.
    """

    file: str
    folder: Path
    data: Mapping[str, Any]
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> Mapping[KeyPath, int]:
        """The line of each key path; found when first asked for, since it costs more than parsing."""
        return line_index(self.text)


def read_document(path: Path) -> Document | Problem:
    """Read and parse a file. Blocks for the disk. What is wrong with it is answered, not raised."""
    text = read_text(path)
    return text if isinstance(text, Problem) else parse_document(text, str(path), path.absolute().parent)


def read_text(path: Path) -> str | Problem:
    """Read a file, without parsing it. Blocks for the disk. What is wrong with it is answered, not raised."""
    file = str(path)
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        return _problem(FILE_UNREADABLE, file, None, "a readable file", cause=error.strerror or type(error).__name__)
    except UnicodeDecodeError:
        return _problem(FILE_NOT_TEXT, file, None, "UTF-8 text")


def parse_document(text: str, file: str, folder: Path) -> Document | Problem:
    """Parse a text. Pure."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        match = _LINE.search(message)
        line = int(match[1]) if match else text.rstrip("\n").count("\n") + 1
        cause = _END.sub(" at the end of the file", _LINE.sub("", message))
        return _problem(SYNTAX_WRONG, file, line, "TOML 1.0", cause=cause)
    return Document(file, folder, data, text)


def _problem(reason: Reason, file: str, line: int | None, allowed: str, **inserts: str) -> Problem:
    found = reason.text.format(**inserts)
    return Problem(reason.code, file, line, "(file)", found, allowed, reason.action)
