"""Edits made on the text of the one file that they belong to, and that file replaced (CONF-8)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

from connector.container.configuration.differences import changed_paths
from connector.container.configuration.document import Document
from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.locating import locate
from connector.container.configuration.readings import Readings, still_reads
from connector.container.configuration.surgery import Edit, SetValue, Unset, edited
from connector.errors import ConfigError, Reason
from connector.security.durable_file import replace_file

CHANGED_MEANWHILE = Reason(
    "CF-CONF-073",
    "{file} was changed by somebody else since it was read; nothing was changed.",
    "Look at it with `connector config get`, and give the command again.",
)
SEVERAL_FILES = Reason(
    "CF-CONF-074",
    "the keys live in several files: {files}; one change is one file, so that it is made whole or not at all.",
    "Give one command for each file.",
)
NOT_WRITABLE = Reason(
    "CF-CONF-075",
    "{file} can't be written ({cause}); nothing was changed.",
    "Run the command as the owner of the file, on a disk that can be written.",
)

_MISSING: Final = object()


@final
@dataclass(frozen=True, slots=True)
class EditedText:
    """A file's text, before and after.

    Attributes:
        file: The file.
        before: What it says.
        after: What it is to say.
        root: What stands before the keys of an application's descriptor; empty for the main file.
        data: What it says, as data.
    """

    file: Path
    before: str
    after: str
    root: KeyPath
    data: Mapping[str, Any] = field(repr=False)

    @property
    def written(self) -> tuple[KeyPath, ...]:
        """The keys that the file is to say differently, from the top of the configuration. `after` must be TOML."""
        return tuple((*self.root, *path) for path in changed_paths(self.data, tomllib.loads(self.after)))

    def replace(self) -> None:
        """Put the new text in the file's place. Blocks for the disk.

        Raises ConfigError where somebody else has changed it meanwhile (CF-CONF-073), or it can't be written
        (CF-CONF-075).
        """
        target = self.file.resolve()
        if not still_reads(target, self.before):
            raise ConfigError(CHANGED_MEANWHILE, file=self.file)
        try:
            replace_file(target, self.after.encode(), mode=target.stat().st_mode & 0o777)
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise ConfigError(NOT_WRITABLE, file=self.file, cause=cause) from None


def edit_text(path: Path, edits: Sequence[Edit], readings: Readings) -> EditedText | None:
    """Make edits on the text of the file that they belong to; None where they change nothing. Blocks for the disk.

    Args:
        path: The main file, which was read without mistakes a moment ago.
        edits: With paths from the top of the configuration.
        readings: What was read of the files.

    Raises ConfigError where they belong to several files (CF-CONF-074), or theirs has mistakes.
    """
    main = Readings()(path)
    assert isinstance(main, Document)  # it was read a moment ago, under the lock
    located = [(edit, locate(edit.path, path, main.data)) for edit in edits]
    files = {location.file for _, location in located}
    if len(files) > 1:
        raise ConfigError(SEVERAL_FILES, files=", ".join(sorted(str(file) for file in files)))
    if not files:
        return None
    (file,) = files
    before = readings.texts.get(file)
    if before is None:
        document = readings(file)
        if not isinstance(document, Document):
            raise ConfigError.of((document,))
        before = document.text
    own = Readings({file: before})(file)
    assert isinstance(own, Document)
    inner = [
        SetValue(location.path, edit.value) if isinstance(edit, SetValue) else Unset(location.path)
        for edit, location in located
    ]
    # Already there is already done: the text stays as it is, however it writes it.
    after = edited(before, [edit for edit in inner if not _done(own.data, edit)])
    if after == before:
        return None
    first, location = located[0]
    root = first.path[: len(first.path) - len(location.path)] if file != path else ()
    return EditedText(file, before, after, root, own.data)


def _done(data: Mapping[str, Any], edit: Edit) -> bool:
    """Whether the file says already what an edit is to make it say."""
    if isinstance(edit, Unset):
        return False
    return not changed_paths({"": value_at(data, edit.path, _MISSING)}, {"": edit.value})
