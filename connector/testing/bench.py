"""One test's bench: a started adapter, and everything that was made on it, taken down again at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, final

from connector.container.plugins.descriptor import AdapterDescriptor
from connector.pool.pool import ManagedConnectionPool
from connector.pool.settings import PoolSettings
from connector.spi import Capability, ManagedConnection, ManagedConnectionFactory, SignOnPlan, Subject
from connector.testing.backend import RESOURCE, Backend, Login
from connector.testing.context import KitContext
from connector.testing.declared import checked_properties, checked_sections
from connector.testing.disclosure import check_password
from connector.testing.plans import KitConnectionManager, plan_of, subject_of
from connector.testing.requirement import Facet
from connector.testing.subject_under_test import Claims


@final
class AdapterBench:
    """Makes factories, connections and pools for one test, on an adapter started for it.

    Args:
        backend: The external system.
        descriptor: What the adapter declares.
        claims: What of it applies, as far as can be told without the adapter.
        folder: An empty folder: the adapter's state.

    Attributes:
        capabilities: What the backend's resource can do, as its factory narrows it.
        claims: What applies to it.

    Mutable: the stack of what is to be taken down by `close`, which the test's own thread alone changes.
    """

    def __init__(self, backend: Backend, descriptor: AdapterDescriptor, claims: Claims, folder: Path) -> None:
        self.backend = backend
        self.descriptor = descriptor
        self.claims = claims
        self._folder = folder
        self._stack = ExitStack()
        sections = checked_sections(descriptor, backend.sections, folder)
        self.adapter = backend.adapter()
        self.adapter.start(KitContext(backend, lambda: self.claims, sections, folder))
        self._stack.callback(self.adapter.stop)
        try:
            self.capabilities = self._effective_capabilities()
        except BaseException:
            self.close()
            raise
        self.claims = claims.narrowed_to(self.capabilities)

    @property
    def login(self) -> Login | None:
        """Who signs on where it doesn't matter who; None where the system has no users."""
        return self.logins[0] if self.claims.has(Facet.USERS) else None

    @property
    def logins(self) -> tuple[Login, ...]:
        """The backend's logins, two or more, each with a password that can be looked for."""
        logins = self.backend.logins
        if len({login.user for login in logins}) < 2:
            raise ValueError("the backend must give two logins of different users, or name Facet.USERS in `lacks`")
        for login in logins:
            check_password(login.password)
        return logins

    def factory(self, properties: Mapping[str, Any] | None = None) -> ManagedConnectionFactory:
        """A factory of its own, by default with the backend's properties. Raises what the adapter raises."""
        given = self.backend.properties if properties is None else properties
        checked = checked_properties(self.descriptor, given, self._folder)
        factory = self.backend.create_factory(self.adapter, checked)
        self._stack.callback(_quietly, factory.close)
        return factory

    def connect(self, factory: ManagedConnectionFactory, login: Login | None) -> ManagedConnection:
        """A physical connection signed on as one login; by a null subject without one."""
        return self.open(factory, subject_of(login, factory) if login is not None else None)

    def open(self, factory: ManagedConnectionFactory, subject: Subject | None) -> ManagedConnection:
        """A physical connection for a subject."""
        connection = factory.create_managed_connection(subject, None)
        self._stack.callback(_quietly, connection.destroy)
        return connection

    def pool(
        self,
        factory: ManagedConnectionFactory,
        max_size: int = 2,
        wait: float = 0.0,
        *,
        without: Capability | None = None,
    ) -> ManagedConnectionPool:
        """A real pool over a factory, which waits for so many seconds; by default not at all.

        Args:
            factory: Opens its connections.
            max_size: How many at most.
            wait: See above.
            without: A capability that it does not make use of.
        """
        settings = PoolSettings(max_size=max_size, connection_timeout=wait)
        pool = ManagedConnectionPool(
            RESOURCE, factory, settings, capabilities=self.capabilities - ({without} if without else set())
        )
        self._stack.callback(pool.close)
        return pool

    def reference(
        self, factory: ManagedConnectionFactory, pool: ManagedConnectionPool, plan: SignOnPlan
    ) -> tuple[KitConnectionManager, Any]:
        """A reference that borrows by one plan: its manager, and what a look-up returns."""
        manager = KitConnectionManager(pool, plan)
        return manager, factory.create_connection_factory(manager)

    def reference_of(
        self, factory: ManagedConnectionFactory, pool: ManagedConnectionPool
    ) -> tuple[KitConnectionManager, Any]:
        """The same, for whom it doesn't matter who borrows."""
        return self.reference(factory, pool, plan_of(factory, self.login))

    def at_the_end(self, end: Callable[[], object]) -> None:
        """Have something called by `close`, before the adapter stops."""
        self._stack.callback(end)

    def _effective_capabilities(self) -> frozenset[Capability]:
        """As the container asks for them, of a factory that nothing else is asked of."""
        declared = self.descriptor.capabilities
        return declared & self.factory().effective_capabilities(declared)

    def close(self) -> None:
        """Take everything down, the adapter last. Raises what stopping the adapter raises."""
        self._stack.close()


def _quietly(end: Callable[[], object]) -> None:
    """What a broken adapter raises here was the matter of the test, which is over."""
    with suppress(Exception):
        end()
