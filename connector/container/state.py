"""The state folder and its lock: one container on a folder at a time (CF-CTR-001)."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, final

from connector.errors import ConfigError, Reason, StateInUse

STATE_IN_USE = Reason(
    "CF-CTR-001",
    "the state folder {folder} belongs to a running container (process {pid}).",
    "Use that container, stop it, or give this one another `state` in [container].",
)
STATE_UNUSABLE = Reason(
    "CF-CTR-002",
    "the state folder {folder} can't be used: {cause}.",
    "Make it a folder of the container's user, on a disk with room, or name another `state` in [container].",
)


def is_in_use(folder: Path) -> bool:
    """Whether a container runs on a state folder. Does not block; what it asks for itself it gives back at once."""
    try:
        descriptor = os.open(folder / "container.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)


@final
class StateFolder:
    """The container's own folder, mode 0700, locked for as long as the container lives.

    The lock is the operating system's (`flock`): a killed process leaves none behind.

    Args:
        folder: Made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock; does not wait. Raises StateInUse, ConfigError (CF-CTR-002)."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.folder / "container.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                STATE_UNUSABLE, folder=self.folder, cause=error.strerror or type(error).__name__
            ) from None
        lock = os.fdopen(descriptor, "r+", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = lock.read().strip() or "unknown"
            lock.close()
            raise StateInUse(STATE_IN_USE, folder=self.folder, pid=pid) from None
        try:
            lock.seek(0)
            lock.truncate()
            os.write(descriptor, str(os.getpid()).encode("ascii"))
        except OSError as error:  # the disk is full
            lock.close()
            raise ConfigError(
                STATE_UNUSABLE, folder=self.folder, cause=error.strerror or type(error).__name__
            ) from None
        self._lock = lock

    def release(self) -> None:
        """Give the lock back. Harmless when called twice."""
        if self._lock is not None:
            self._lock.seek(0)
            self._lock.truncate()  # whoever reads the number of a process that is gone might signal another one
            self._lock.close()
            self._lock = None

    def adapter_folder(self, adapter: str) -> Path:
        """An adapter's own folder within, mode 0700."""
        folder = self.folder / adapter
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder
