"""The way of a command to its operation: through the socket of a running container, or carried out here (CONF-7)."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, final

import click

from connector.admin import password_input
from connector.admin.access import LOGIN_NEEDED, Access
from connector.admin.administered import AdministeredContainer
from connector.admin.arguments import Arguments
from connector.admin.audit_record import admin_event, claimed_caller
from connector.admin.client import AdminClient
from connector.admin.command_state import AUDIT_LOG, state_of_its_own
from connector.admin.failure import Failure, RemoteFailure
from connector.admin.operations import Login, Operation, Request, Target, operation_named
from connector.admin.password_input import PasswordSource
from connector.admin.profile import Profile, load_profile
from connector.admin.settings import CommandSettings, settings_of
from connector.errors import ConnectionFailed, Reason, StateInUse
from connector.security.audit import FileAuditLog
from connector.spi import AuditLog

NOTHING_RUNS = Reason(
    "CF-ADM-044",
    "{operation}: no container runs on {state}.",
    "Start it with `connector run`, or give the configuration of one that runs with --config.",
)

#: How long a command waits for the state folder, in seconds, and how long between two looks.
PATIENCE: Final = 5.0
PAUSE: Final = 0.05

_LOGIN_OPTIONS = "--login-password-file FILE"


@final
class Route:
    """Takes operations where they belong, for one run of the program. Use it on one thread.

    Where a container runs on the profile's state folder its admin endpoint decides, by login and role. Where none
    runs, whoever can read and write the profile's files may: operations on the stores work on the files, the others
    open the container for as long as the operation takes. Where it has nothing but what was looked up outside, any
    number of commands may do so at once.

    Args:
        settings: The shared options.
        mistakes: Whether a configuration with mistakes will do, for commands that show it or put it right.
    """

    def __init__(self, settings: CommandSettings, *, mistakes: bool = False) -> None:
        self._settings = settings
        self._mistakes = mistakes
        # Mutable: loaded and asked for once.
        self._profile: Profile | None = None
        self._login: Login | None = None

    @classmethod
    def of(cls, context: click.Context, *, mistakes: bool = False) -> Route:
        """The route of a command's context."""
        return cls(settings_of(context), mistakes=mistakes)

    @property
    def profile(self) -> Profile:
        """The configuration's profile. Raises ConfigError."""
        if self._profile is None:
            settings = self._settings
            self._profile = load_profile(settings.config, settings.overrides, mistakes=self._mistakes)
        return self._profile

    def is_running(self) -> bool:
        """Whether a container with an admin endpoint runs on the profile's state folder, or is asked for elsewhere."""
        if self._settings.remote is not None:
            return True
        client = AdminClient.find(self.profile.state_folder)
        if client is None:
            return False
        client.close()
        return True

    def call(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        *,
        login: Login | None = None,
        wait: float = 0.0,
        tell: Callable[[str], None] | None = None,
    ) -> Any:
        """Have an operation carried out; answers its plain result.

        Args:
            operation: Its name.
            arguments: Plain data.
            login: Whom to sign on to the bus as, for bus operations; others are asked for as `--login` says.
            wait: Seconds that the operation itself may take.
            tell: Called with lines on how far it has come, where it is carried out here.

        Blocks for it, and for some seconds where the state folder is in use by another command or a container that is
        still starting.

        Raises:
            StateInUse: It is still in use after that (CF-CTR-001).
            RemoteFailure: A running container refused or failed.
            ConnectionFailed: The operation needs a running container, and none runs (CF-ADM-044).
            ConnectorError: What was carried out here refused or failed.
        """
        wanted = operation_named(operation)
        give_up = time.monotonic() + PATIENCE
        while not self.is_running():
            try:
                return self._carry_out(wanted, arguments, login, tell)
            except StateInUse:  # by another command, which is soon done, or by a container that can soon be asked
                if time.monotonic() >= give_up:
                    raise
            time.sleep(PAUSE)
        # The administrator of --login is no user of the bus: there it is --as, or nobody. A prompt comes before the
        # connection is made, which waits for its request only for seconds.
        asking = login if wanted.access is Access.BUS else self._administrator()
        try:
            return self._ask(wanted, arguments, asking, wait)
        except RemoteFailure as refusal:
            if refusal.failure.code != LOGIN_NEEDED.code or not password_input.is_terminal():
                raise
        self._login = self._ask_for_login()
        return self._ask(wanted, arguments, self._login, wait)

    def _ask(self, operation: Operation, arguments: Mapping[str, Any], login: Login | None, wait: float) -> Any:
        remote = self._settings.remote
        client = AdminClient.find(self.profile.state_folder) if remote is None else AdminClient.to(remote)
        if client is None:  # it has stopped since: now the files are their owner's again
            return self._carry_out(operation, arguments, login)
        with client:
            return client.call(operation.name, arguments, login, wait=wait)

    def _administrator(self) -> Login | None:
        user = self._settings.login
        if self._login is None and user is not None:
            source = PasswordSource(file=self._settings.login_password_file, options=_LOGIN_OPTIONS)
            self._login = Login(user, source.read(f"password of {user}"))
        return self._login

    def _ask_for_login(self) -> Login:
        user = click.prompt("The container asks for an administrator", default=getpass.getuser(), err=True)
        return Login(user, PasswordSource(options=_LOGIN_OPTIONS).read(f"password of {user}"))

    def _carry_out(
        self,
        operation: Operation,
        arguments: Mapping[str, Any],
        login: Login | None,
        tell: Callable[[str], None] | None = None,
    ) -> Any:
        request = Request(Arguments(arguments), login)
        if tell is not None:
            request = replace(request, tell=tell)
        profile = self.profile
        if operation.running:
            raise ConnectionFailed(NOTHING_RUNS, operation=operation.name, state=profile.state_folder)
        if operation.offline:
            target = Target(profile.stores, open_configuration=profile.open_configuration)
            return _run(operation, request, target, profile.name, open_audit(profile.state_folder))
        with ExitStack() as stack:
            overrides = profile.overrides
            if profile.resources and profile.resources <= self._settings.looked_up.get("resources", {}).keys():
                own = stack.enter_context(state_of_its_own(profile.state_folder))
                overrides = {**overrides, "container": {"state": own}}
            container = stack.enter_context(
                open_container(profile.path, handlers=operation.handlers, overrides=overrides)
            )
            return _run(operation, request, Target(profile.stores, container), container.name, container.audit)


def _run(operation: Operation, request: Request, target: Target, container: str, audit: AuditLog) -> Any:
    """Carry an operation out here, on the authority of whoever owns the files, and record it."""
    uid = os.geteuid()

    def record(error: BaseException | None, reason: str) -> None:
        who = claimed_caller(operation, request.login, uid)
        event = admin_event(
            operation, request.arguments, who=who, uid=uid, container=container, error=error, reason=reason
        )
        audit.record(replace(event, details={**event.details, **request.notes}))

    try:
        result = operation.run(target, request)
    except Exception as error:
        record(error, Failure.of(error).code)
        raise
    record(None, "file ownership")
    return result


def open_audit(state_folder: Path) -> AuditLog:
    """The audit log of a profile while no container runs."""
    return FileAuditLog(state_folder / AUDIT_LOG)


def open_container(
    path: Path, *, handlers: bool, overrides: Mapping[str, Any]
) -> AbstractContextManager[AdministeredContainer]:
    """Open the container of a configuration, without an admin endpoint. Raises what `Container.open` raises.

    Without `handlers` none of its handlers gets a message: a command that only looks on takes none away.
    """
    from connector.container.container import Container  # the commands that need none start faster

    return Container.open(path, activate=handlers, overrides=overrides)
