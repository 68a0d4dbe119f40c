"""Versions of credentials: which connections are superseded, and when they have to go (AUTHD-3). Pure.

A newer version may be wrong: somebody mistyped it, or it is not in force on the other side yet. So connections with the
old one are taken out when the external system has *accepted* a newer one, not when it has been announced.
"""

from __future__ import annotations

from typing import final

from connector.pool.settings import RetirePolicy


@final
class CredentialVersions:
    """What is known of each alias's versions, under the pool's lock.

    Args:
        policy: When superseded connections go.
    """

    __slots__ = ("_policy", "_oldest_good", "_taken_out", "_accepted")

    def __init__(self, policy: RetirePolicy) -> None:
        self._policy = policy
        # By alias: the oldest version that is still good; below which version connections have been taken out; the
        # newest version that the external system has accepted.
        self._oldest_good: dict[str, int] = {}
        self._taken_out: dict[str, int] = {}
        self._accepted: dict[str, int] = {}

    @property
    def old_ones_serve(self) -> bool:
        """Whether a superseded connection may serve whoever has a newer credential."""
        return self._policy is RetirePolicy.NEW_ONLY

    def retire(self, alias: str, version: int, *, final: bool) -> int | None:
        """Versions below this one are superseded; answers below which version connections go now, if any.

        Args:
            alias: The alias.
            version: The oldest version that is still good.
            final: The alias is gone: no newer one will be accepted.
        """
        version = max(version, self._oldest_good.get(alias, version))
        self._oldest_good[alias] = version
        if final or self._policy is RetirePolicy.PURGE_NOW:
            return self._take_out(alias, version)
        return self._due(alias)

    def accepted(self, alias: str, version: int) -> int | None:
        """The external system has taken this version; answers as `retire` does."""
        self._accepted[alias] = max(version, self._accepted.get(alias, version))
        return self._due(alias)

    def slipped_by(self, alias: str | None, version: int) -> bool:
        """Whether a connection with that version, opened just now, should have gone already."""
        return alias is not None and version < self._taken_out.get(alias, version)

    def superseded(self, alias: str | None, version: int) -> bool:
        """Whether there is a newer version, accepted or not."""
        return alias is not None and version < self._oldest_good.get(alias, version)

    def _due(self, alias: str) -> int | None:
        oldest_good = self._oldest_good.get(alias)
        if oldest_good is None or self._policy is not RetirePolicy.RETIRE_ON_RETURN:
            return None
        if self._taken_out.get(alias) == oldest_good or self._accepted.get(alias, oldest_good - 1) < oldest_good:
            return None
        return self._take_out(alias, oldest_good)

    def _take_out(self, alias: str, version: int) -> int:
        self._taken_out[alias] = version
        return version
