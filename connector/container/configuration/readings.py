"""What was read of a configuration's files, so that an edit notices when somebody else has changed them (CONF-8)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import final

from connector.container.configuration.document import Document, parse_document, read_document
from connector.errors import Problem

_SHORT = 16


@final
class Readings:
    """Reads files and remembers what stood in them. Use it on one thread, for one loading.

    Args:
        instead: By absolute path, texts that stand for what the files hold: an edit that is tried out.
    """

    def __init__(self, instead: Mapping[Path, str] | None = None) -> None:
        self._instead = dict(instead or {})
        #: The text of each file that was read, by absolute path; None for one that could not be read.
        self.texts: dict[Path, str | None] = {}

    def __call__(self, path: Path) -> Document | Problem:
        """Read and parse one file. Blocks for the disk. What is wrong with it is answered, not raised."""
        absolute = path.absolute()
        if absolute in self._instead:
            document = parse_document(self._instead[absolute], str(path), absolute.parent)
        else:
            document = read_document(path)
        self.texts[absolute] = document.text if isinstance(document, Document) else None
        return document

    @property
    def revision(self) -> str:
        """A short text that differs where any of the files differs."""
        digest = hashlib.sha256()
        for path, text in sorted(self.texts.items()):
            digest.update(f"{path}\0{'-' if text is None else f'+{len(text)}'}\0{text}\0".encode())
        return digest.hexdigest()[:_SHORT]


def still_reads(path: Path, text: str) -> bool:
    """Whether a file still holds a text. Blocks for the disk."""
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False
