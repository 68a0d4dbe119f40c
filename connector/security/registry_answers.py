"""The one way in which a realm's registry is asked: with what may be kept of its answers, and errors of one kind.

What is kept and why
--------------------
*Users and groups* for `group_cache` seconds: who is found with which groups, and which groups exist.  Every message
asks for its sender, so a registry beyond a network would be asked a thousand times for one answer.
*Accepted passwords* for `credential_cache` seconds, off by default: a digest keyed by this process stands for user and
password, the password itself is never kept.  A refusal is never kept, an outage neither.  A registry that keeps answers
itself (`connector.spi.RememberingRegistry`) is asked each time for users and groups: two caches on top of each other
would be as old as both together.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Hashable
from typing import Final, TypeVar, final

from connector.errors import AuthenticationFailed, RegistryUnavailable
from connector.security.answer_cache import AnswerCache
from connector.spi import Clock, RememberingRegistry, Secret, UserRegistry

T = TypeVar("T")

#: How long groups are kept where the configuration doesn't say and the registry keeps nothing itself, in seconds.
DEFAULT_GROUP_CACHE: Final = 120.0


@final
class RegistryAnswers:
    """Asks one registry. Methods block like it where nothing is kept. Safe to use from any thread.

    Each raises RegistryUnavailable, with the registry's own code, where the registry can't be asked.

    Args:
        registry: The users and groups of one realm.
        group_cache: Seconds for users and groups; None for the default, which is 0 for a registry that remembers.
        credential_cache: Seconds for accepted passwords; 0 keeps none.
        clock: Tells the age of an answer.
    """

    def __init__(
        self,
        registry: UserRegistry,
        *,
        group_cache: float | None = None,
        credential_cache: float = 0.0,
        clock: Clock | None = None,
    ) -> None:
        self._registry = registry
        self.remembers = isinstance(registry, RememberingRegistry)
        wanted = DEFAULT_GROUP_CACHE if group_cache is None else group_cache
        self._users: AnswerCache[frozenset[str]] = AnswerCache(0.0 if self.remembers else wanted, clock)
        self._groups: AnswerCache[bool] = AnswerCache(0.0 if self.remembers else wanted, clock)
        self._accepted: AnswerCache[bool] = AnswerCache(credential_cache, clock)
        self._key = secrets.token_bytes(32)

    @property
    def registry(self) -> UserRegistry:
        """The registry itself."""
        return self._registry

    @property
    def kept_for(self) -> tuple[float, float]:
        """For how many seconds users and groups are kept, and accepted passwords."""
        return self._users.seconds, self._accepted.seconds

    def accepts(self, user: str, password: Secret) -> bool:
        """Whether user and password fit. A right password that was not kept makes who the user is be asked anew."""
        if self._accepted.seconds <= 0:
            return self._checked(user, password)
        key = (user, self._digest(user, password))
        return bool(self._accepted.get(key, lambda: self._checked(user, password) or None))

    def unique_name(self, user: str) -> str:
        """A name of the user that stays the same; not kept."""
        return _asked(lambda: self._registry.unique_name(user))

    def groups_of_known(self, user: str) -> frozenset[str] | None:
        """The groups of a user; None where the realm doesn't know the user, which is never kept."""
        kept = self._users.kept(user)
        if kept is not None:
            return kept

        def load() -> frozenset[str] | None:
            return self._registry.groups_of(user) if self._registry.user_exists(user) else None

        return _asked(lambda: self._users.get(user, load))

    def group_exists(self, group: str) -> bool:
        """Whether the realm knows the group; a "no" is never kept."""
        return bool(_asked(lambda: self._groups.get(group, lambda: self._registry.group_exists(group) or None)))

    def forget(self, user: str | None = None) -> None:
        """Keep nothing of what was asked before now, or nothing of one user; the registry forgets as well."""
        if user is None:
            for cache in (self._users, self._groups, self._accepted):
                cache.forget()
        else:
            self._users.forget_one(user)
            self._accepted.forget(lambda key: isinstance(key, tuple) and key[0] == user)
        if isinstance(self._registry, RememberingRegistry):
            self._registry.forget(user)

    def _checked(self, user: str, password: Secret) -> bool:
        accepted = _asked(lambda: self._registry.check_password(user, password))
        if accepted:
            self._users.forget_one(user)  # a login begins anew, with the groups of now
        return accepted

    def _digest(self, user: str, password: Secret) -> Hashable:
        typed = password.reveal().encode("utf-8", "surrogatepass")
        name = user.encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, len(name).to_bytes(8, "big") + name + typed, hashlib.sha256)

    def __repr__(self) -> str:
        return f"<RegistryAnswers of {self._registry!r}>"


def _asked(ask: Callable[[], T]) -> T:
    """Ask; a registry says "no" by its answer, so whatever AuthenticationFailed it raises means that it can't be asked.

    Raises RegistryUnavailable with the registry's own reason.
    """
    try:
        return ask()
    except RegistryUnavailable:
        raise
    except AuthenticationFailed as error:
        raise RegistryUnavailable(error.reason, **dict(error.details)) from error
