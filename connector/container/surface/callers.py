"""Whose code runs: logins, callers whom others have authenticated, realms and their users (FLOW-3, FLOW-4)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

from connector.container.admin_roles import admin_roles_of
from connector.container.established_caller import establish
from connector.container.login_scope import LoginScope
from connector.container.realms import explain_inbound, realm_named, realms_as_data, refresh_users
from connector.container.surface.facts import Facts
from connector.security.scope import current_subject
from connector.spi import Explanation, Principal, Scope, Secret, Subject


class Callers(Facts):
    """Who is the caller, and who may become it."""

    def login(self, user: str, password: str | Secret) -> LoginScope:
        """Authenticate a user; `with` the result, the user is the caller on this thread or task.

        The user is one of the container's realm; an application of another realm has a `login` of its own. Blocks for
        the password check (50 to 400 ms); `login_async` is for tasks. Raises AuthenticationFailed.
        """
        return self._parts.direct.door.login(user, password)

    def login_async(self, user: str, password: str | Secret) -> AbstractAsyncContextManager[Scope]:
        """The same for asyncio: the password check runs on another thread. Raises AuthenticationFailed."""
        return self._parts.direct.door.login_async(user, password)

    def run_as(self, subject: Subject, *, origin: str = "run-as") -> AbstractContextManager[Scope]:
        """For as long as the `with` lasts, the subject is the caller on this thread or task. Does not block."""
        return self._parts.direct.door.run_as(subject, origin=origin)

    def establish(self, caller: Principal, groups: Iterable[str] = ()) -> Subject:
        """The subject of a caller whom somebody else has authenticated, for `run_as` (FLOW-3).

        By the rules of inbound works: the container's own realm must know the user, and adds its groups to the known
        ones of those given; a trusted inbound realm is believed, with its own groups; any other realm is refused.

        Args:
            caller: The user, with its realm.
            groups: Groups in the caller's realm that come with the identity, of a token for example.

        May block for the registry. Raises SubjectRejected (CF-WORK-028, CF-WORK-029, …), and AuthenticationFailed where
        the registry can't be reached.
        """
        return establish(caller, groups, self._parts.identity)

    def current_subject(self) -> Subject | None:
        """Who is the caller here; None where nobody is. Raises ScopeError where the caller's scope has ended."""
        return current_subject()

    def admin_roles_of(self, subject: Subject | None) -> frozenset[str]:
        """The admin roles of a subject, closed upwards: an administrator has all (CONF-4). Pure."""
        return admin_roles_of(subject, self._parts.configuration.admin, self.realm, security=self.security)

    @property
    def realms(self) -> tuple[str, ...]:
        """All realms of the container, sorted; its own is `realm`."""
        return tuple(sorted(self._parts.realms))

    def refresh_users(self, user: str | None = None, *, realm: str | None = None) -> None:
        """Keep nothing of what the registries have answered: the next question is asked anew.

        Adapters have what is open ask again: who has gone, or left a group, loses at once what hung on it. Blocks for
        the registry, for what is open.

        Args:
            user: One user only; None for all.
            realm: One realm only; None for all.

        Raises ConfigError for a realm that the container doesn't have.
        """
        refresh_users(self._parts.realms, self._parts.adapters, user, realm)

    def explain_inbound(
        self, user: str, foreign: str, *, groups: Iterable[str] = (), realm: str | None = None
    ) -> Explanation:
        """Who a user of a foreign realm is here, by the inbound map (FLOW-3). Does not block, asks no registry.

        Args:
            user: The user's name there.
            foreign: The foreign realm.
            groups: The groups that are named with it.
            realm: The realm that is decided in; the container's own unless given.

        Raises ConfigError where there is no such realm, or no map.
        """
        return explain_inbound(realm_named(self._parts.realms, realm or self.realm), user, foreign, tuple(groups))

    def realms_status(self) -> list[dict[str, Any]]:
        """All realms as plain data: registry, trust, what is kept, maps with who maps to whom. Does not block."""
        found: list[dict[str, Any]] = realms_as_data(self._parts.realms, self._parts.configuration)
        return found
