"""A state folder for one command, so that several commands of one client's profile may run at once (CONF-6)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AUDIT_LOG = "audit.log"


@contextmanager
def state_of_its_own(profile_state: Path) -> Iterator[str]:
    """A folder that only this command uses, mode 0700; gone afterwards. What is audited goes to the profile's log.

    For a container that has nothing but what was looked up outside: it keeps nothing, and a container's state folder is
    locked for as long as it lives. Blocks for the disk. Raises OSError.

    Args:
        profile_state: The state folder of the profile; made if it is missing.
    """
    profile_state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="connector-command-") as folder:
        # The log is opened for each event and appended to by one write: many processes may share it.
        (Path(folder) / AUDIT_LOG).symlink_to(profile_state.absolute() / AUDIT_LOG)
        yield folder
