"""Unique names of users, asked from the registry once and forgotten when something may have changed (BUS-3)."""

from __future__ import annotations

from typing import Final, final

from connector.spi import IdentityService

#: How many users are remembered; then they are forgotten together.
REMEMBERED: Final = 10_000


@final
class UniqueNames:
    """Answers which unique name a user has now. Safe to use from any thread.

    Mutable state: `_known`, whose entries anybody may ask for anew; single dictionary operations, no lock.
    """

    def __init__(self, identity: IdentityService) -> None:
        self._identity = identity
        self._known: dict[str, str] = {}

    def __call__(self, user: str) -> str:
        """The unique name; empty for a user that the registry has and can't name. Blocks for the registry at first.

        Raises what the registry raises where it can't be asked: that is no "no", and nothing is remembered.
        """
        known = self._known.get(user)
        if known is not None:
            return known
        name = self._identity.unique_name(user) if self._identity.user_exists(user) else ""
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[user] = name
        return name

    def forget(self) -> None:
        """Ask again from now on."""
        self._known = {}
