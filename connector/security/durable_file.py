"""Replacing a file so that a kill at any instant leaves the old or the new content, never half of one."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Hashable, Iterator
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file's content, or make the file, with mode 0600 unless another is given. Blocks for the disk.

    The content goes to a second file, down to the disk, and takes the name by a rename, which is atomic; then the
    folder goes to the disk as well, else the rename could be lost after it was relied upon. Callers hold `exclusive`:
    the second file has a fixed name, so that what a kill leaves behind is overwritten next time instead of piling up.

    Raises:
        OSError: It could not be written; the old content is still there.
    """
    fresh = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    # O_EXCL: made by us just now, with our mode, and no link that somebody has put there
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fchmod(descriptor, mode)  # no sooner than it is written, and whatever the umask is
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep other writers of the file away, in this process and in others. Blocks until they are done.

    The lock is the operating system's, on a file beside it (`NAME.lock`): the file itself is replaced, so a lock on it
    would be lost. A killed process leaves no lock behind.

    Raises:
        OSError: The lock file can't be made.
    """
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def file_stamp(path: Path) -> Hashable:
    """Changes whenever the file is replaced, written, or given another mode; None while it can't be looked at.

    Of a link what it leads to: mounted secrets are replaced by turning a link. Blocks for the disk, raises nothing.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    # ctime as well as mtime: a tool that puts an older copy back sets mtime, and a mode that was put right matters too
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
