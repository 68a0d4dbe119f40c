"""A folder for the credential caches of one connect, readable for this process's user only, gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make it where `TMPDIR` says (mode 0700), and remove it with all that is in it. Blocks for the file system only.

    Files, since the library that connects may bring a Kerberos library of its own: caches in memory are not shared.
    """
    folder = Path(tempfile.mkdtemp(prefix="connector-krb-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_cache(folder: Path, name: str) -> str:
    """The name of a cache in the folder, as Kerberos libraries want it. Pure."""
    return f"FILE:{folder / name}"
