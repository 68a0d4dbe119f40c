"""The whole outbound walk with the real rooms below: authentication data, sign-on, pool (POOL-1, TRUST-1, AUTHD-3)."""

from __future__ import annotations

from collections.abc import Mapping

from support_secrets import MARKER
from support_signon import ALICE, BOB, BUILT_IN, Factory, container_managed, target

from connector.outbound.manager import ReferenceConnectionManager
from connector.pool.pool import ManagedConnectionPool
from connector.pool.settings import PoolSettings
from connector.security.audit import MemoryAuditLog
from connector.security.authdata import AuthDataService
from connector.security.scope import open_scope
from connector.signon.resolver import SignOnResolver
from connector.spi import (
    AuthenticationData,
    ConnectionDescription,
    ConnectionManager,
    ConnectionRequestInfo,
    IdentityAssertion,
    Lease,
    ManagedConnection,
    ProgressListener,
    Secret,
    Subject,
)


class Store:
    """Authentication data at rest, changed by the test."""

    read_only = False

    def __init__(self) -> None:
        self.entries = {"trusted": AuthenticationData("trusted", "door", Secret(MARKER))}

    def load(self) -> Mapping[str, AuthenticationData]:
        return dict(self.entries)

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        entry = AuthenticationData(alias, user, password, version=self.entries[alias].version + 1)
        self.entries[alias] = entry
        return entry

    def remove(self, alias: str) -> bool:
        return self.entries.pop(alias, None) is not None

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        return len(self.entries)


class Session(ManagedConnection):
    """A session that knows who opened it and who works on it."""

    def __init__(self, opened_by: str) -> None:
        self.opened_by = self.works_as = opened_by

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        self.works_as = asserted.user

    def cleanup(self) -> None:
        self.works_as = self.opened_by

    def destroy(self) -> None:
        self.works_as = "nobody"

    def describe(self) -> ConnectionDescription:
        return ConnectionDescription("Ledger", "1.0", self.works_as)


class SessionFactory(Factory):
    """Opens sessions and counts them."""

    def __init__(self) -> None:
        self.opened: list[Session] = []

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection:
        credential = subject.password_credential(self) if subject is not None else None
        assert credential is not None
        self.opened.append(Session(credential.user))
        return self.opened[-1]


def _world() -> tuple[SessionFactory, Store, AuthDataService, ConnectionManager]:
    factory, store, audit = SessionFactory(), Store(), MemoryAuditLog()
    resource, auth_data = target(factory), AuthDataService(store, audit)
    pool = ManagedConnectionPool("jdbc/ledger", factory, PoolSettings(), capabilities=resource.capabilities)
    reference = container_managed("TrustedConnectionMapping", alias="trusted")
    sign_on = SignOnResolver(auth_data, BUILT_IN, audit)
    return factory, store, auth_data, ReferenceConnectionManager(reference, resource, sign_on, pool, auth_data)


def _works_as(lease: Lease) -> str | None:
    return lease.physical.describe().user


def test_two_callers_work_as_themselves_on_one_trusted_connection() -> None:
    factory, _, _, manager = _world()

    for caller, name in ((ALICE, "alice"), (BOB, "bob"), (ALICE, "alice")):
        with open_scope(caller, realm="weather", container="test", origin="test"), manager.allocate() as lease:
            assert _works_as(lease) == name

    assert [session.opened_by for session in factory.opened] == ["door"]


def test_a_new_password_of_the_trusted_user_replaces_the_connection_at_once() -> None:
    factory, store, auth_data, manager = _world()

    with open_scope(ALICE, realm="weather", container="test", origin="test"):
        manager.allocate().close()
        store.put("trusted", "door", Secret(MARKER + "2"))
        assert auth_data.refresh() == {"trusted"}
        with manager.allocate() as lease:
            assert lease.physical is factory.opened[1]
            assert lease.plan.version == 2
