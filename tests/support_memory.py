"""Where the files of tests are kept: in memory, where the machine has room for that.

Stores bring each change down to the disk before they answer, and what tests ask is whether the order holds, not whether
the disk does: there it takes no time.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

#: Linux's file system in memory, which anybody may write.
MEMORY = Path("/dev/shm")
#: Bytes that have to be free there: containers may have a few megabytes only.
ENOUGH = 4 * 2**30


def keep_files_in_memory(folder: Path = MEMORY, enough: int = ENOUGH) -> bool:
    """Temporary files of this process, and of what it starts, are in memory from now on; answers whether they are.

    Somebody who has said where (TMPDIR) has his way. Before the first temporary file; not safe for threads.
    """
    if "TMPDIR" in os.environ or not _serves(folder, enough):
        return False
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # it is looked up once
    return True


def _serves(folder: Path, enough: int) -> bool:
    """There is room, and what is built or copied there can be run."""
    try:
        found = os.statvfs(folder)
    except (AttributeError, OSError):  # a system without it
        return False
    runs = not found.f_flag & os.ST_NOEXEC
    return runs and found.f_bavail * found.f_frsize >= enough and os.access(folder, os.W_OK | os.X_OK)
