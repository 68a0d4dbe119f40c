"""One writer at a time among a user's processes: keyrings have no lock of their own."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connector.errors import AuthDataError, Reason

LOCK_FAILED = Reason(
    "CF-KEYR-010",
    "no lock for changes can be had in {folder}: {why}.",
    "Give this user a home folder that it may write to; nothing was changed.",
)


@contextmanager
def only_writer(service: str) -> Iterator[None]:
    """While the `with` lasts, no other process of this user, and no other thread, changes that list. Blocks for them.

    The lock is the operating system's, so a killed process leaves none behind. It lies in the user's home folder, as
    the keyring belongs to the user.

    Raises:
        AuthDataError: The lock's file can't be made (CF-KEYR-010).
    """
    folder = Path.home() / ".local" / "state" / "connector-framework"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(service.encode()).hexdigest()[:16]
        descriptor = os.open(folder / f"keyring-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise AuthDataError(LOCK_FAILED, folder=folder, why=error.strerror) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
