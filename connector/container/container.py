"""The container: the product's runtime, and the one room that knows all the others (CONF-1)."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from connector.container.admin_roles import admin_roles_of
from connector.container.certificate_watch import watch_certificates
from connector.container.configuration.load import load_configuration
from connector.container.established_caller import establish
from connector.container.login_door import LoginDoor
from connector.container.login_scope import LoginScope
from connector.container.naming import Application, unknown
from connector.container.naming_references import naming_reference
from connector.container.periodic import Periodic
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.info import PluginInfo
from connector.container.pool_operations import OperatedPool, operated_pool
from connector.container.realms import explain_inbound, realm_named, realms_as_data
from connector.container.startup import Parts, start
from connector.container.transaction_operations import OperatedTransactions
from connector.errors import SecurityError
from connector.outbound.manager import ReferenceConnectionManager
from connector.outbound.test_connection import TestResult, test_connection
from connector.security.authdata_watch import StoreWatch
from connector.security.login_outcome import ModuleResult
from connector.security.scope import current_subject
from connector.spi import (
    AuditLog,
    AuthenticationDataStore,
    Explanation,
    NamingReference,
    Principal,
    Scope,
    Secret,
    Subject,
)

if TYPE_CHECKING:
    from connector.container.activation_operations import OperatedActivation
    from connector.container.configuration.settings import AdminPort, ContainerConfiguration, NamingPort
    from connector.container.configuration_editor import ConfigurationEditor
    from connector.container.live.reload import Reloader
    from connector.container.posture import Finding
    from connector.transactions.unit import Unit

#: Seconds that a change of the configuration gets when the container stops.
RELOAD_TIMEOUT = 1.0

log = logging.getLogger("connector.container")


@dataclass(frozen=True, slots=True)
class Sources:
    """What a container's configuration comes from beside the files.

    Attributes:
        overrides: Settings that win over everything.
        environ: The environment; None for the process's own.
    """

    overrides: Mapping[str, Any] | None = field(default=None, repr=False)
    environ: Mapping[str, str] | None = field(default=None, repr=False)


@final
class Container:
    """A running container; use it as a context manager, or call `close`.

    All methods are safe to call from any thread. Made by `Container.open`, not directly.
    """

    def __init__(self, path: Path, parts: Parts, sources: Sources = Sources()) -> None:
        self._path = path
        self._parts = parts
        self._sources = sources
        self._reloader: Reloader | None = None
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
        engine: str | None = None,
    ) -> Container:
        """Start everything that the configuration file says; returns when it is ready.

        Args:
            path: The configuration file.
            overrides: Settings that win over file and environment, as nested tables.
            environ: The environment for `CONNECTOR__…` overrides; the process's own by default.
            attach: Called with the ready container; what it returns is closed before anything else stops (the
                command line attaches the admin endpoint so).
            activate: Whether handlers get messages; a command that only looks on takes none away from them.
            engine: A bus, to run its engine with its chains alone: no application, no resource, no other bus.

        Raises:
            ConfigError: the configuration or a deployment is wrong; nothing was started.
            StateInUse: another container runs on the state folder.
            AuthDataError: the authentication data can't be read.
            PluginError: a plugin that is needed can't be loaded.
        """
        file = Path(path).absolute()
        catalogue = PluginCatalogue.discover(environ=environ)
        configuration = load_configuration(file, catalogue=catalogue, overrides=overrides, environ=environ)
        if engine is not None:
            from connector.container.configuration.engine_only import engine_only

            configuration = engine_only(configuration, engine)
        with ExitStack() as stack:
            parts = Parts(configuration, catalogue, stack)
            start(parts, activate=activate)
            container = cls(file, parts, Sources(overrides, environ))
            if activate and configuration.auth_data.watch is not None:
                stack.callback(container._watch(configuration.auth_data.watch).close)
            if activate and configuration.tls:
                stack.callback(watch_certificates(container.name, configuration.tls, parts.clock).close)
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
            if self._reloader is not None:
                self._reloader.stop(RELOAD_TIMEOUT)
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
    def overrides(self) -> Mapping[str, Any]:
        """The settings that it was opened with over those of its files."""
        return self._sources.overrides or {}

    @property
    def admin_port(self) -> AdminPort | None:
        """Where administration from elsewhere is to come in (CONF-7); None for nowhere."""
        return self._parts.configuration.admin_port

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

    @property
    def naming_port(self) -> NamingPort | None:
        """Where look-ups from outside are to come in (CONF-6); None for nowhere."""
        return self._parts.configuration.naming_port

    def naming_reference(self, name: str) -> NamingReference:
        """What clients outside are told of a connection factory or destination by its global name (CONF-6).

        Does not block. Raises NameNotFound.
        """
        return naming_reference(name, self._parts.configuration.resources, self._parts.adapters)

    def _owner(self, reference: str) -> tuple[Application, str]:
        application, separator, name = reference.partition(":")
        if separator and (application in self._parts.applications or reference not in self._parts.resources):
            return self.application(application), name
        return self._parts.direct, reference

    def _manager(self, reference: str) -> ReferenceConnectionManager:
        application, name = self._owner(reference)
        return application.manager(name)

    def _door(self, reference: str) -> LoginDoor:
        """Callers of a reference are users of its application's realm."""
        return self._owner(reference)[0].door

    # --- identity --------------------------------------------------------------------------------------------------

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
        """For as long as the `with` lasts, the subject is the caller on this thread or task."""
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
        """The admin roles of a subject, closed upwards: an administrator has all (CONF-4)."""
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
        found = self._parts.realms.values() if realm is None else [realm_named(self._parts.realms, realm)]
        for identity in found:
            identity.refresh(user)
        for name, adapter in list(self._parts.adapters.items()):
            try:
                adapter.users_changed()
            except Exception as error:  # noqa: BLE001 - users have changed, whatever an adapter makes of it
                log.error("adapter %s failed on a change of users: %s", name, type(error).__name__)

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

    # --- connections -----------------------------------------------------------------------------------------------

    def explain(
        self, reference: str, *, caller: str | None = None, suppose: Mapping[str, ModuleResult] | None = None
    ) -> Explanation:
        """How a reference's sign-on comes about for a caller; does not connect, shows no secret (SIGN-8).

        Args:
            reference: `application:reference`, or the global name of a resource.
            caller: A user of the application's realm; None for no identity.
            suppose: What login modules, by name, are to have answered without being asked.

        Blocks as long as the login modules do. A refusal is explained, not raised; raises NameNotFound,
        AuthenticationFailed for a caller that the realm doesn't know, and ConfigError for a supposed module that the
        reference's login configuration does not have.
        """
        manager = self._manager(reference)
        try:
            return manager.explain(caller=self._door(reference).caller(caller, None), suppose=suppose)
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
            caller: A user of the application's realm; None for no identity.
            password: The caller's; without it the caller is asserted, as an operator may.

        Raises:
            NameNotFound: no such reference.
            AuthDataError: the authentication data can't be read.
            AuthenticationFailed: the realm doesn't know the caller, or the password is wrong.
            SignOnError, LoginRefused, ConnectionFailed: what the application would get, each by its own code.
        """
        self.update_auth_data()
        manager = self._manager(reference)
        door = self._door(reference)
        subject = door.caller(caller, password)
        if subject is None:
            return test_connection(manager)
        with door.run_as(subject, origin=f"test connection as {caller}"):
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

    # --- configuration -----------------------------------------------------------------------------------------------

    @property
    def configuration(self) -> ConfigurationEditor:
        """Reads and changes the configuration: the files, and what of it can be live at once (CONF-8).

        Who calls it is not asked for a role: that is what the admin endpoint does.
        """
        from connector.container.configuration_editor import ConfigurationEditor  # not needed for a start
        from connector.container.live.reload import Reloader
        from connector.container.start_checks import check_as_a_start_would

        with self._updating:
            if self._reloader is None:
                self._reloader = Reloader(self._parts)
        parts = self._parts

        def check(configuration: ContainerConfiguration, catalogue: PluginCatalogue) -> None:
            # Who is who can be asked of the running container, unless that is what changes.
            same = configuration.realms == parts.configuration.realms
            check_as_a_start_would(configuration, catalogue, parts.identity if same else None)

        return ConfigurationEditor(
            self._path,
            overrides=self._sources.overrides,
            environ=self._sources.environ,
            check=check,
            applier=self._reloader,
        )

    # --- transactions ----------------------------------------------------------------------------------------------

    def transaction(self, timeout: float | None = None) -> AbstractContextManager[Unit]:
        """A unit of work for a `with` block: what is done in it on several resources is there as a whole or not at all.

        Committed at the end of the block, rolled back where the block raises. In force on this thread or task; it
        follows `await` and `asyncio.to_thread`, and not a plain thread.

        Args:
            timeout: Seconds after which it can only be rolled back; None for no limit.

        Its end blocks for the round trips of all that take part and for the disk. Beginning raises TransactionError
        within another one (CF-TX-020); its end raises TransactionError where it was rolled back though the block did
        not raise (CF-TX-003), OutcomeUnknown where nobody knows (CF-TX-005).
        """
        return self._parts.transactions.unit(timeout)

    def no_transaction(self) -> AbstractContextManager[None]:
        """For the `with` block no unit of work is in force: what is done there stands, whatever becomes of the unit."""
        return self._parts.transactions.suspended()

    @property
    def transactions(self) -> OperatedTransactions:
        """The transactions that are not finished, to look at and to decide where they are in doubt."""
        return OperatedTransactions(self._parts.transactions, self._parts.audit)

    def current_transaction(self) -> Unit | None:
        """The unit of work in force here; None where there is none. Does not block.

        Raises TransactionError where another container's is in force (CF-TX-025).
        """
        return self._parts.transactions.current()

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

    def bus_command(self, bus: str, command: str, arguments: Mapping[str, Any]) -> Any:
        """Have the adapter whose bus it is carry out one of its operations. Raises NameNotFound for an unknown bus."""
        from connector.container.operator_access import owner_of  # not needed for a start

        return self.run_command(owner_of(self._parts, bus), command, {**arguments, "bus": bus})

    def plugins(self) -> tuple[PluginInfo, ...]:
        """All plugins found, with their state and the reason of a failure (OPS-3)."""
        return self._parts.catalogue.plugins

    def findings(self) -> tuple[Finding, ...]:
        """What `connector check` has to say of configuration and security posture. Blocks for the disk."""
        from connector.container import posture  # not needed for a start

        waiting = () if self._reloader is None else self._reloader.waiting
        return posture.findings(self._parts, waiting)

    def status(self) -> dict[str, Any]:
        """The container's state as plain data: resources with their pools, activations, adapters."""
        from connector.container import posture  # not needed for a start

        return posture.status(self._parts)
