"""All or nothing for a folder of files: made beside its place, then moved into it (CONF-5)."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from connector.errors import ConfigError, Reason

FOLDER_TAKEN = Reason(
    "CF-ADM-061",
    "the folder {folder} is not empty.",
    "Choose another one, or give --force: what is in the way is then kept in a folder `before-init` in it.",
)
NOT_A_FOLDER = Reason("CF-ADM-062", "{folder} is not a folder.", "Choose another name.")
KEPT_ALREADY = Reason(
    "CF-ADM-063",
    "{folder} is there already, from an earlier init with --force.",
    "Move it away, so that nothing in it is overwritten.",
)

#: Where --force keeps what was in the way.
BEFORE = "before-init"


def publish(folder: Path, fill: Callable[[Path], None], *, last: str, force: bool = False) -> None:
    """Make a folder with the files that `fill` writes, or leave everything as it was.

    A new folder appears with all its files in one rename. Into a folder that exists (the current one, or the mount
    point of a volume, neither of which can be renamed) the entries are moved one by one, `last` at the end: it is
    the one that makes a profile of them, so that a kill in the middle leaves no profile.

    Args:
        folder: Where the files are to be; its parent must exist.
        fill: Writes the files into the private folder that it is given.
        last: The name of the entry that is moved at the end.
        force: Whether a folder that holds something is used; entries in the way are moved to `before-init` in it.

    Raises:
        ConfigError: The folder is taken (CF-ADM-061), is no folder (062), or `before-init` is there already (063).
        OSError: The disk refuses; nothing has changed then. What `fill` raises goes on likewise.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))  # mode 0700
        try:
            fill(made)
            made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return
    if not folder.is_dir():
        raise ConfigError(NOT_A_FOLDER, folder=folder)
    if not force and any(folder.iterdir()):
        raise ConfigError(FOLDER_TAKEN, folder=folder)
    made = Path(tempfile.mkdtemp(prefix=".init.", dir=folder))
    try:
        fill(made)
        _move_in(folder, made, last)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move_in(folder: Path, made: Path, last: str) -> None:
    names = sorted((entry.name for entry in made.iterdir()), key=lambda name: (name == last, name))
    in_the_way = [name for name in reversed(names) if (folder / name).exists()]
    before = folder / BEFORE
    if in_the_way and before.exists():
        raise ConfigError(KEPT_ALREADY, folder=before)
    moved: list[tuple[Path, Path]] = []
    try:
        if in_the_way:
            before.mkdir(mode=0o700)
        # The old `last` goes first: from then on there is no profile that could be taken for a whole one.
        for source, target in [
            *((folder / name, before / name) for name in in_the_way),
            *((made / name, folder / name) for name in names),
        ]:
            source.rename(target)
            moved.append((source, target))
        folder.chmod(0o700)
    except BaseException:
        for source, target in reversed(moved):
            target.rename(source)
        if in_the_way and before.exists():
            before.rmdir()
        raise
