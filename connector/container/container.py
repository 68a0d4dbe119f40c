"""The container: the product's runtime, and the one room that knows all the others (CONF-1)."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from connector.container.admin_roles import admin_roles_of
from connector.container.configuration.load import load_configuration
from connector.container.established_caller import establish
from connector.container.login_scope import LoginScope
from connector.container.naming import Application, unknown
from connector.container.periodic import Periodic
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.info import PluginInfo
from connector.container.pool_operations import OperatedPool, operated_pool
from connector.container.startup import Parts, start
from connector.errors import SecurityError
from connector.outbound.manager import ReferenceConnectionManager
from connector.outbound.test_connection import TestResult, test_connection
from connector.security.authdata_watch import StoreWatch
from connector.security.login_outcome import ModuleResult
from connector.security.scope import current_subject, open_scope
from connector.spi import AuditLog, AuthenticationDataStore, Explanation, Principal, Scope, Secret, Subject

if TYPE_CHECKING:
    from connector.container.activation_operations import OperatedActivation
    from connector.container.posture import Finding


@final
class Container:
    """A running container; use it as a context manager, or call `close`.

    All methods are safe to call from any thread. Made by `Container.open`, not directly.
    """

    def __init__(self, path: Path, parts: Parts) -> None:
        self._path = path
        self._parts = parts
        self._closed = False
        self._updating = threading.Lock()

    # --- life cycle ------------------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] = "connector.toml",
        *,
        overrides: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        attach: Callable[[Container], Any] | None = None,
        activate: bool = True,
    ) -> Container:
        """Start everything that the configuration file says; returns when it is ready.

        Args:
            path: The configuration file.
            overrides: Settings that win over file and environment, as nested tables.
            environ: The environment for `CONNECTOR__…` overrides; the process's own by default.
            attach: Called with the ready container; what it returns is closed before anything else stops (the
                command line attaches the admin endpoint so).
            activate: Whether handlers get messages; a command that only looks on takes none away from them.

        Raises:
            ConfigError: the configuration or a deployment is wrong; nothing was started.
            StateInUse: another container runs on the state folder.
            AuthDataError: the authentication data can't be read.
            PluginError: a plugin that is needed can't be loaded.
        """
        file = Path(path).absolute()
        catalogue = PluginCatalogue.discover(environ=environ)
        configuration = load_configuration(file, catalogue=catalogue, overrides=overrides, environ=environ)
        with ExitStack() as stack:
            parts = Parts(configuration, catalogue, stack)
            start(parts, activate=activate)
            container = cls(file, parts)
            if activate and configuration.auth_data.watch is not None:
                stack.callback(container._watch(configuration.auth_data.watch).close)
            if attach is not None:
                stack.callback(attach(container).close)
            # From here on the parts live until `close` unwinds the stack.
            parts.stack = stack.pop_all()
        return container

    def close(self) -> None:
        """Stop everything, in reverse order, within five seconds; running handlers get some of them.

        A handler that does not end in time is left behind on its daemon thread, and its message is delivered again
        after the next start. Harmless when called twice. Raises nothing.
        """
        if not self._closed:
            self._closed = True
            self._parts.stopping.left()  # the seconds of the stop begin with its first step
            self._parts.stack.close()

    def __enter__(self) -> Container:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- what it is ------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self._parts.configuration.container.name)

    @property
    def realm(self) -> str:
        """The container's realm."""
        return str(self._parts.configuration.container.realm)

    @property
    def security(self) -> bool:
        """Whether administrative security is on (CONF-4)."""
        return bool(self._parts.configuration.container.security)

    @property
    def state_folder(self) -> Path:
        """Where it keeps its state."""
        return self._parts.state.folder

    @property
    def configuration_path(self) -> Path:
        """The configuration file that it was started from."""
        return self._path

    @property
    def audit(self) -> AuditLog:
        """The security audit log."""
        return self._parts.audit

    # --- names -----------------------------------------------------------------------------------------------------

    def application(self, name: str) -> Application:
        """An application's own name space. Raises NameNotFound."""
        application = self._parts.applications.get(name)
        if application is None:
            raise unknown("application", name, "the configuration", self._parts.applications)
        return application

    def lookup(self, name: str) -> Any:
        """A connection factory by its global name: acts as `res_auth = Application`, shareable (CONF-3).

        Does not connect. Raises NameNotFound.
        """
        return self._parts.direct.lookup(name)

    def _manager(self, reference: str) -> ReferenceConnectionManager:
        application, separator, name = reference.partition(":")
        if separator and (application in self._parts.applications or reference not in self._parts.resources):
            return self.application(application).manager(name)
        return self._parts.direct.manager(reference)

    # --- identity --------------------------------------------------------------------------------------------------

    def login(self, user: str, password: str | Secret) -> LoginScope:
        """Authenticate a user; `with` the result, the user is the caller on this thread or task.

        Blocks for the password check (50 to 400 ms); `login_async` is for tasks. Raises AuthenticationFailed.
        """
        return LoginScope(self.run_as, self._authenticate(user, password), f"login of {user}")

    @asynccontextmanager
    async def login_async(self, user: str, password: str | Secret) -> AsyncIterator[Scope]:
        """The same for asyncio: the password check runs on another thread. Raises AuthenticationFailed."""
        subject = await asyncio.to_thread(self._authenticate, user, password)
        with self.run_as(subject, origin=f"login of {user}") as scope:
            yield scope

    @contextmanager
    def run_as(self, subject: Subject, *, origin: str = "run-as") -> Iterator[Scope]:
        """For as long as the `with` lasts, the subject is the caller on this thread or task."""
        with open_scope(subject, realm=self.realm, container=self.name, origin=origin) as scope:
            yield scope

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
        """The admin roles of a subject, closed upwards: an administrator has all (CONF-4)."""
        return admin_roles_of(subject, self._parts.configuration.admin, self.realm, security=self.security)

    def _authenticate(self, user: str, password: str | Secret) -> Subject:
        secret = password if isinstance(password, Secret) else Secret(password)
        return self._parts.identity.authenticate(user, secret)

    def _caller(self, caller: str | None, password: Secret | None) -> Subject | None:
        if caller is None:
            return None
        if password is not None:
            return self._authenticate(caller, password)
        return self._parts.identity.assert_user(caller)

    # --- connections -----------------------------------------------------------------------------------------------

    def explain(
        self, reference: str, *, caller: str | None = None, suppose: Mapping[str, ModuleResult] | None = None
    ) -> Explanation:
        """How a reference's sign-on comes about for a caller; does not connect, shows no secret (SIGN-8).

        Args:
            reference: `application:reference`, or the global name of a resource.
            caller: A user of the realm; None for no identity.
            suppose: What login modules, by name, are to have answered without being asked.

        Blocks as long as the login modules do. A refusal is explained, not raised; raises NameNotFound,
        AuthenticationFailed for a caller that the realm doesn't know, and ConfigError for a supposed module that the
        reference's login configuration does not have.
        """
        manager = self._manager(reference)
        try:
            return manager.explain(caller=self._caller(caller, None), suppose=suppose)
        except SecurityError as error:
            if isinstance(error.explanation, Explanation):
                return error.explanation
            raise

    def test_connection(
        self, reference: str, *, caller: str | None = None, password: Secret | None = None
    ) -> TestResult:
        """Sign on and connect for real, on a physical connection of its own that is closed again (POOL-6).

        Re-reads the authentication data first (AUTHD-3). Blocks for the time that connecting takes.

        Args:
            reference: `application:reference`, or the global name of a resource.
            caller: A user of the realm; None for no identity.
            password: The caller's; without it the caller is asserted, as an operator may.

        Raises:
            NameNotFound: no such reference.
            AuthDataError: the authentication data can't be read.
            AuthenticationFailed: the realm doesn't know the caller, or the password is wrong.
            SignOnError, LoginRefused, ConnectionFailed: what the application would get, each by its own code.
        """
        self.update_auth_data()
        manager = self._manager(reference)
        subject = self._caller(caller, password)
        if subject is None:
            return test_connection(manager)
        with self.run_as(subject, origin=f"test connection as {caller}"):
            return test_connection(manager)

    def update_auth_data(self) -> frozenset[str]:
        """Re-read the authentication data; answers the changed aliases (AUTHD-3).

        Connections signed on with superseded credentials are retired, failed activations are tried again. Blocks for
        the store, for closing free connections and for the activations. When the store can't be read the last good
        data stay in force and AuthDataError is raised.
        """
        return self._update_auth_data()

    def _update_auth_data(self, reported: str = "") -> frozenset[str]:
        with self._updating:  # one at a time, so that each compares with what the one before has put in force
            before = self._parts.auth_data.snapshot()
            changed = self._parts.auth_data.refresh(reported=reported)
            for alias in changed:
                data = self._parts.auth_data.get(alias)
                # An alias that is gone has no newer version: whatever was signed on with its last one is superseded.
                oldest_good = data.version if data is not None else before[alias].version + 1
                for resource in list(self._parts.resources.values()):
                    resource.retire(alias, oldest_good, final=data is None)
        self.retry_activations()
        return changed

    def _watch(self, interval: float) -> Periodic:
        """Look at the authentication data every so many seconds, from now on."""
        watch = StoreWatch(self._parts.auth_data.store, self._update_auth_data)
        return Periodic(f"{self.name}-auth-data", interval, watch.look)

    def retry_activations(self) -> None:
        """Try the failed activations again, for example after a missing role was granted (CHAIN-6)."""
        for deployed in self._parts.activations:
            deployed.activation.retry()

    def bus_connection(
        self, bus: str, user: str | None = None, password: Secret | None = None
    ) -> AbstractContextManager[Any]:
        """A connection to a bus for an operator: signed on as the user given, or as nobody; no alias steps in.

        Raises NameNotFound where no bus of that name is configured, LoginRefused and AccessDenied as the bus does.
        """
        from connector.container.operator_access import operator_factory  # not needed for a start

        connection: AbstractContextManager[Any] = operator_factory(self._parts, bus).get_connection(user, password)
        return connection

    # --- administration --------------------------------------------------------------------------------------------

    @property
    def auth_data_store(self) -> AuthenticationDataStore:
        """The store of the authentication data, to administer it; `update_auth_data` puts a change in force."""
        return self._parts.auth_data.store

    def pool(self, reference: str) -> OperatedPool:
        """The pools of a resource, to look at and to operate (POOL-6). Does not block, does not connect.

        Args:
            reference: `application:reference`, or the global name of a resource.

        Raises NameNotFound.
        """
        return operated_pool(self._parts, reference)

    def pools(self) -> tuple[OperatedPool, ...]:
        """The pools of all resources of this instant, in the order of the configuration."""
        return tuple(operated_pool(self._parts, name) for name in list(self._parts.resources))

    def activation(self, name: str) -> OperatedActivation:
        """A handler's activation, to look at and to operate (FLOW-5). Does not block.

        Args:
            name: `application:activation`.

        Raises NameNotFound.
        """
        from connector.container.activation_operations import operated_activation  # not needed for a start

        return operated_activation(self._parts, name)

    def activations(self) -> tuple[OperatedActivation, ...]:
        """All activations, in the order of the configuration. Does not block."""
        from connector.container.activation_operations import operated_activations  # not needed for a start

        return operated_activations(self._parts)

    def run_command(self, adapter: str, command: str, arguments: Mapping[str, Any]) -> Any:
        """Have an adapter carry out one of the operations that its `ra.toml` lists. Raises NameNotFound."""
        found = self._parts.adapters.get(adapter)
        if found is None:
            raise unknown("adapter", adapter, "this container", self._parts.adapters)
        return found.run_command(command, arguments)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """All plugins found, with their state and the reason of a failure (OPS-3)."""
        return self._parts.catalogue.plugins

    def findings(self) -> tuple[Finding, ...]:
        """What `connector check` has to say of configuration and security posture. Blocks for the disk."""
        from connector.container import posture  # not needed for a start

        return posture.findings(self._parts)

    def status(self) -> dict[str, Any]:
        """The container's state as plain data: resources with their pools, activations, adapters."""
        from connector.container import posture  # not needed for a start

        return posture.status(self._parts)
