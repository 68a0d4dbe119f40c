"""Where the admin socket is: `admin.sock` in the state folder, or a short path that `admin.address` names.

A Unix socket's path has room for about a hundred bytes. Where the state folder lies deeper, the socket goes into a
fresh private folder under the system's temporary one, and the state folder, which only the owner enters, says where.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import final

SOCKET = "admin.sock"
RECORD = "admin.address"
#: sun_path has 108 bytes on Linux and 104 elsewhere, with a null byte at the end.
LONGEST_PATH = 103


@final
class SocketAddress:
    """The address of one running container's socket, for the server side.

    Args:
        state_folder: The container's state folder; it holds the folder's lock, so what stands there is stale.
    """

    def __init__(self, state_folder: Path) -> None:
        self._record = state_folder / RECORD
        self._private: Path | None = None
        direct = state_folder / SOCKET
        direct.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)
        if len(os.fsencode(direct)) <= LONGEST_PATH:
            self.path = direct
            return
        self._private = Path(tempfile.mkdtemp(prefix="connector-"))  # mode 0700, and a name that nobody could take
        self.path = self._private / SOCKET
        self._record.write_text(f"{self.path}\n", encoding="utf-8")
        self._record.chmod(0o600)

    def release(self) -> None:
        """Take socket and record away. Harmless when called twice."""
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)


def recorded_path(state_folder: Path) -> Path:
    """The path where a client finds the socket, if a container runs."""
    try:
        return Path((state_folder / RECORD).read_text(encoding="utf-8").rstrip("\n"))
    except (OSError, ValueError):  # none; a folder that is none, or somebody else's; bytes that are no text
        return state_folder / SOCKET
