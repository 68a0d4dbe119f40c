"""What a running container consists of."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connector.container.stop_deadline import StopDeadline
from connector.spi import Clock, ResourceAdapter, SystemClock

if TYPE_CHECKING:
    from connector.container.activations import Deployed
    from connector.container.configuration.settings import ContainerConfiguration
    from connector.container.naming import Application
    from connector.container.plugins.catalogue import PluginCatalogue
    from connector.container.plugins.hooks import HookCaller
    from connector.container.resources import ReferenceBinder, Resource
    from connector.container.state import StateFolder
    from connector.container.tls_service import ContainerTls
    from connector.pool.housekeeper import Housekeeper
    from connector.security.audit import FileAuditLog
    from connector.security.authdata import AuthDataService
    from connector.security.identity import ContainerIdentity
    from connector.security.login_configuration import LoginConfiguration
    from connector.security.roles import RoleMap
    from connector.signon.resolver import SignOnResolver
    from connector.transactions.service import Transactions
    from connector.work.event_loop import EventLoopThread
    from connector.work.manager import ContainerWorkManager


@dataclass
class Parts:
    """What a running container consists of; filled by `start` in order, read by `Container`.

    `label` is its name, made different from those of other containers that run in this process (`labels`).
    """

    configuration: ContainerConfiguration
    catalogue: PluginCatalogue
    stack: ExitStack
    clock: Clock = field(default_factory=SystemClock)
    label: str = field(init=False)
    state: StateFolder = field(init=False)
    hooks: HookCaller = field(init=False)
    audit: FileAuditLog = field(init=False)
    realms: dict[str, ContainerIdentity] = field(init=False)
    identity: ContainerIdentity = field(init=False)
    auth_data: AuthDataService = field(init=False)
    logins: dict[str, LoginConfiguration] = field(init=False)
    tls: ContainerTls = field(init=False)
    loop: EventLoopThread = field(init=False)
    transactions: Transactions = field(init=False)
    work_manager: ContainerWorkManager = field(init=False)
    housekeeper: Housekeeper = field(init=False)
    resolver: SignOnResolver = field(init=False)
    binder: ReferenceBinder = field(init=False)
    role_maps: dict[str, RoleMap] = field(default_factory=dict)
    adapters: dict[str, ResourceAdapter] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    applications: dict[str, Application] = field(default_factory=dict)
    direct: Application = field(init=False)
    operator_factories: dict[str, Any] = field(default_factory=dict)
    activations: list[Deployed] = field(default_factory=list)
    activate: bool = True
    stopping: StopDeadline = field(init=False)

    def __post_init__(self) -> None:
        self.stopping = StopDeadline(self.clock)

    @property
    def role_checks(self) -> bool:
        """Whether roles on handlers are checked (CONF-4)."""
        core = self.configuration.container
        return core.security and core.application_security
