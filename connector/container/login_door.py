"""Where users of one realm log in to the container: authenticated there, in force in scopes of that realm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import final

from connector.container.login_scope import LoginScope
from connector.security.identity import ContainerIdentity
from connector.security.scope import open_scope
from connector.spi import Scope, Secret, Subject


@final
class LoginDoor:
    """Logs users of one realm in. Immutable; safe to use from any thread.

    Args:
        identity: The realm.
        container: The container's name, for the scopes.
    """

    def __init__(self, identity: ContainerIdentity, container: str) -> None:
        self.identity = identity
        self._container = container

    @property
    def realm(self) -> str:
        """The realm."""
        return self.identity.realm

    def login(self, user: str, password: str | Secret) -> LoginScope:
        """See `Container.login`. Blocks for the password check. Raises AuthenticationFailed."""
        return LoginScope(self.run_as, self.authenticated(user, password), f"login of {user}")

    @asynccontextmanager
    async def login_async(self, user: str, password: str | Secret) -> AsyncIterator[Scope]:
        """The same for asyncio: the password check runs on another thread. Raises AuthenticationFailed."""
        subject = await asyncio.to_thread(self.authenticated, user, password)
        with self.run_as(subject, origin=f"login of {user}") as scope:
            yield scope

    @contextmanager
    def run_as(self, subject: Subject, *, origin: str = "run-as") -> Iterator[Scope]:
        """For as long as the `with` lasts, the subject is the caller on this thread or task."""
        with open_scope(subject, realm=self.realm, container=self._container, origin=origin) as scope:
            yield scope

    def authenticated(self, user: str, password: str | Secret) -> Subject:
        """The user's subject. Blocks for the password check. Raises AuthenticationFailed."""
        secret = password if isinstance(password, Secret) else Secret(password)
        return self.identity.authenticate(user, secret)

    def caller(self, caller: str | None, password: Secret | None) -> Subject | None:
        """Whom an operator acts for: authenticated where a password is given, else asserted; None for nobody.

        Blocks for the registry. Raises AuthenticationFailed.
        """
        if caller is None:
            return None
        if password is not None:
            return self.authenticated(caller, password)
        return self.identity.assert_user(caller)
