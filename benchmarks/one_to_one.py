"""Ten thousand callers, each of whom signs on as a user of its own: the identities of a large directory."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar, final

from benchmarks.lease import NoOpFactory, OneAlias
from connector.outbound.manager import ReferenceConnectionManager
from connector.pool import ManagedConnectionPool, PoolSettings
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.signon.reference import ResAuth, ResourceReference, SignOnTarget
from connector.signon.resolver import SignOnResolver
from connector.spi import (
    AuditEvent,
    CallbackHandler,
    CallerSubjectCallback,
    ControlFlag,
    Dependency,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    PasswordCredential,
    Secret,
    Subject,
)

LOGIN = "one-to-one"


@final
class OneToOneModule:
    """A login module that gives each caller a user and a password of its own, without an alias."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.CALLER})

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Get ready."""
        self._subject, self._handler = subject, callback_handler
        self._credential: PasswordCredential | None = None

    def login(self) -> bool:
        """Make the caller's credential."""
        caller, target = CallerSubjectCallback(), ManagedConnectionFactoryCallback()
        self._handler.handle([caller, target])
        principal = caller.subject.caller if caller.subject is not None else None
        if principal is None:
            raise LoginFailed("there is no caller")
        self._credential = PasswordCredential(principal.name, Secret(f"of {principal.name}"), target.factory)
        return True

    def commit(self) -> bool:
        """Put it into the subject."""
        self._subject.add_credential(self._credential)
        return True

    def abort(self) -> bool:
        """Nothing was put anywhere."""
        return True

    def logout(self) -> bool:
        """The subject is the plan's, and goes with it."""
        return True


class Forgetful:
    """An audit log that keeps nothing: the container's is a file."""

    def record(self, event: AuditEvent) -> None:
        """Does nothing."""


def one_to_one_manager(settings: PoolSettings) -> tuple[ReferenceConnectionManager, ManagedConnectionPool]:
    """A reference whose callers sign on one-to-one, and the pool of no-op connections below it."""
    data, factory = OneAlias(), NoOpFactory()
    pool = ManagedConnectionPool("jdbc/ledger", factory, settings)
    configuration = LoginConfiguration(LOGIN, (ChainEntry(LOGIN, OneToOneModule, ControlFlag.REQUIRED),))
    manager = ReferenceConnectionManager(
        ResourceReference("jdbc/ledger", "jdbc/ledger", ResAuth.CONTAINER, login=LOGIN),
        SignOnTarget("jdbc/ledger", factory),
        SignOnResolver(data, {LOGIN: configuration}, Forgetful()),
        pool,
        data,
    )
    return manager, pool
