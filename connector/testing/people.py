"""Users and groups in memory, for the kit and for handlers under test (`connector.spi.UserRegistry`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

from connector.errors import Reason, RegistryUnavailable
from connector.spi import Secret

AWAY = Reason("CF-KIT-011", "the user registry {realm} does not answer", "It was told not to, by a test.")


@final
class PeopleRegistry:
    """Safe to use from any thread; nothing in it blocks.

    Args:
        realm: The realm.
        groups: The groups of each user.
        passwords: Of those who have one.

    Attributes:
        away: Whether it answers nobody; for tests of an outage.
    """

    def __init__(
        self, realm: str, groups: Mapping[str, Iterable[str]], passwords: Mapping[str, Secret] | None = None
    ) -> None:
        self._realm = realm
        self._groups = {user: frozenset(names) for user, names in groups.items()}
        self._passwords = dict(passwords or {})
        self.away = False

    @property
    def realm(self) -> str:
        """The realm's name."""
        return self._realm

    def check_password(self, user: str, password: Secret) -> bool:
        """Whether user and password fit. Raises RegistryUnavailable (CF-KIT-011) while it is away."""
        self._require()
        return self._passwords.get(user) == password and bool(password)

    def user_exists(self, user: str) -> bool:
        """Whether the user is known. Raises like `check_password`."""
        self._require()
        return user in self._groups

    def group_exists(self, group: str) -> bool:
        """Whether somebody is in the group. Raises like `check_password`."""
        self._require()
        return any(group in groups for groups in self._groups.values())

    def groups_of(self, user: str) -> frozenset[str]:
        """The user's groups. Raises like `check_password`."""
        self._require()
        return self._groups.get(user, frozenset())

    def unique_name(self, user: str) -> str:
        """The name itself."""
        return user

    def users(self) -> tuple[str, ...]:
        """All users, sorted."""
        return tuple(sorted(self._groups))

    def groups(self) -> tuple[str, ...]:
        """All groups, sorted."""
        return tuple(sorted({group for groups in self._groups.values() for group in groups}))

    def _require(self) -> None:
        if self.away:
            raise RegistryUnavailable(AWAY, realm=self._realm)
