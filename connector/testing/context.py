"""What the kit starts an adapter with: real where it matters, refusing where the kit has no say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, final

from connector.container.tls_service import ContainerTls
from connector.errors import AuthenticationFailed, Reason, WorkRejected
from connector.security.audit import MemoryAuditLog
from connector.security.scope import current_subject
from connector.spi import Capability, Clock, Secret, Subject, SystemClock, TlsService, WorkContext, WorkErrorCode
from connector.testing.backend import REALM, Backend
from connector.testing.no_aliases import no_alias
from connector.testing.subject_under_test import Claims
from connector.transactions.service import Transactions

UNKNOWN_USER = Reason(
    "CF-KIT-001",
    "the conformance kit knows no user {user!r}, or its password is another one",
    "The users are the backend's logins and callers.",
)
NO_WORK = Reason(
    "CF-KIT-002", "the conformance kit runs no work yet", "Submit none from the outbound side of the adapter."
)


@final
class KitIdentity:
    """An identity service over a backend's own users: adapters whose external system is the container meet them there.

    Safe to use from any thread.

    Args:
        users: Tells the users and their passwords; asked each time.
    """

    realm = REALM
    trusted_realms: frozenset[str] = frozenset()
    security_enabled = True

    def __init__(self, users: Callable[[], Mapping[str, Secret | None]]) -> None:
        self._users = users

    def authenticate(self, user: str, password: Secret) -> Subject:
        """The user's subject. Raises AuthenticationFailed (CF-KIT-001)."""
        known = self._users().get(user)
        if known is None or known != password:
            raise AuthenticationFailed(UNKNOWN_USER, user=user)
        return self.assert_user(user)

    def assert_user(self, user: str) -> Subject:
        """The user's subject, without a password. Raises AuthenticationFailed (CF-KIT-001)."""
        if user not in self._users():
            raise AuthenticationFailed(UNKNOWN_USER, user=user)
        return Subject.of_user(user, REALM)

    def user_exists(self, user: str) -> bool:
        """Whether the backend names the user."""
        return user in self._users()

    def group_exists(self, group: str) -> bool:
        """There are no groups."""
        return False

    def unique_name(self, user: str) -> str:
        """The name itself."""
        return user

    def groups_of(self, user: str) -> frozenset[str]:
        """There are no groups."""
        return frozenset()

    def current_subject(self) -> Subject | None:
        """The subject in force on the running thread or task."""
        return current_subject()


@final
class RefusingWorkManager:
    """A work manager that accepts nothing: the outbound contracts have no works."""

    def do_work(self, *_: Any, **__: Any) -> NoReturn:
        """Raises WorkRejected (CF-KIT-002)."""
        raise WorkRejected(NO_WORK, error_code=WorkErrorCode.UNDEFINED)

    start_work = schedule_work = do_work

    def is_context_supported(self, context_type: type[WorkContext]) -> bool:
        """None is."""
        return False


@final
class KitContext:
    """A bootstrap context for one started adapter.

    Args:
        backend: Whose users it has.
        claims: Tells what the adapter claims: callers are users only where they can be asserted. Asked late, since
            only a started adapter can make the factory that narrows them.
        sections: The configuration sections that the adapter owns, checked.
        state_folder: An empty folder.
    """

    container_name = "kit"

    def __init__(
        self, backend: Backend, claims: Callable[[], Claims], sections: Mapping[str, Any], state_folder: Path
    ) -> None:
        self.identity = KitIdentity(lambda: _users_of(backend, claims()))
        self.work_manager: Any = RefusingWorkManager()
        self.state_folder = state_folder
        self.sections = sections
        self.audit = MemoryAuditLog()
        self.clock: Clock = SystemClock()
        self.authentication_data = no_alias
        self.tls: TlsService = ContainerTls({})  # the contracts configure none
        self.transactions = Transactions(self.container_name, state_folder / "kit-transactions", self.clock)


def _users_of(backend: Backend, claims: Claims) -> Mapping[str, Secret | None]:
    users: dict[str, Secret | None] = {login.user: login.password for login in backend.logins}
    if claims.has(Capability.IDENTITY_SWITCH):
        users |= {caller: users.get(caller) for caller in backend.callers}
        users[backend.trusted.user] = backend.trusted.password
    return users
