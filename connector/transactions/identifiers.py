"""The names of units and branches: whose they are can be read off them, wherever they are found prepared.

`cf1:CONTAINER:FOLDER:INCARNATION:NUMBER` is a unit, with `:BRANCH` behind it one of its branches. FOLDER is drawn once
for each state folder, so that of two containers of one name neither takes the other's branches for its own;
INCARNATION counts the starts on it, so that no number comes twice.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Final

_SCHEME: Final = "cf1"
#: A container's name is for people here; what a database wouldn't take, or what is long, is cut.
_UNFIT: Final = re.compile(r"[^A-Za-z0-9_.-]")
_NAME_LENGTH: Final = 40


def new_folder_id() -> str:
    """A name for a new state folder, which no other one has."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class Owner:
    """One run of a container on its state folder; makes and recognises its identifiers. Pure.

    Attributes:
        container: The container's name.
        folder: The state folder's identifier.
        incarnation: Which start on that folder it is, counted from 1.
    """

    container: str
    folder: str
    incarnation: int

    def unit(self, number: int) -> str:
        """The identifier of this run's unit with that number."""
        name = _UNFIT.sub("-", self.container)[:_NAME_LENGTH]
        return f"{_SCHEME}:{name}:{self.folder}:{self.incarnation}:{number}"

    def is_ours(self, branch: str) -> bool:
        """Whether a branch is of this state folder, of whichever run."""
        fields = branch.split(":")
        return len(fields) == 6 and fields[0] == _SCHEME and fields[2] == self.folder


def branch_of(unit: str, number: int) -> str:
    """The identifier of a unit's branch with that number."""
    return f"{unit}:{number}"


def unit_of(branch: str) -> str:
    """The unit that a branch is of."""
    return branch.rpartition(":")[0]
