"""What the command line and the admin endpoint need of a container: one narrow view of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from connector.security.login_outcome import ModuleResult
from connector.spi import AuditLog, Explanation, Message, Scope, Secret, SignOnPlan, Subject


class AdministeredBus(Protocol):
    """A bus connection, signed on as one user (interfaces.md)."""

    def send(self, destination: str, body: Any, /, *, topic: str | None = None, reply_to: str | None = None) -> Any:
        """Send, to a topic space with what it is about; answers the message id."""
        ...

    def receive(
        self, destination: str, /, timeout: float | None = None, *, selector: str | None = None
    ) -> Message | None:
        """Receive what the selector wants, and acknowledge it; None after `timeout` seconds."""
        ...

    def browse(self, destination: str, /) -> Iterable[Message]:
        """Look at the messages without taking them."""
        ...

    def request(self, destination: str, body: Any, /, *, timeout: float) -> Message:
        """Send and wait for the reply, at most `timeout` seconds."""
        ...


class ConnectionReport(Protocol):
    """What a connection test found out."""

    @property
    def product(self) -> Any: ...  # noqa: D102 - read-only attributes of outbound.TestResult, documented there
    @property
    def version(self) -> Any: ...  # noqa: D102 - see above
    @property
    def user(self) -> Any: ...  # noqa: D102 - see above
    @property
    def plan(self) -> SignOnPlan: ...  # noqa: D102 - see above


class AdministeredTransactions(Protocol):
    """A container's transactions, as plain data: what is left of all (container.transaction_operations)."""

    def to_list(self) -> list[dict[str, Any]]:
        """All that are not finished."""
        ...

    def recover(self) -> list[dict[str, Any]]:
        """Ask the resources and finish what can be."""
        ...

    def commit(self, unit: str, /) -> list[dict[str, Any]]:
        """Commit one that is in doubt."""
        ...

    def rollback(self, unit: str, /) -> list[dict[str, Any]]:
        """Roll back one that is in doubt."""
        ...

    def forget(self, unit: str, /) -> list[dict[str, Any]]:
        """Do no more about one."""
        ...


class ListedPlugin(Protocol):
    """One line of `connector plugins`: read-only attributes, documented at container.plugins.PluginInfo."""

    @property
    def group(self) -> str: ...  # noqa: D102 - see the class
    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def distribution(self) -> str: ...  # noqa: D102 - see the class
    @property
    def version(self) -> str: ...  # noqa: D102 - see the class
    @property
    def state(self) -> Any: ...  # noqa: D102 - see the class
    @property
    def reason(self) -> Any: ...  # noqa: D102 - see the class
    @property
    def provides(self) -> Any: ...  # noqa: D102 - see the class


class AdministeredPool(Protocol):
    """One resource's pool; documented at container.pool_operations.OperatedPool."""

    def flush(self, mode: Any, *, user: str | None, alias: str | None, below_version: int | None, dry_run: bool) -> Any:
        """Take connections out, or only say which would go; answers what has a `to_dict`. Raises ConfigError."""
        ...

    def resize(self, max_size: int | None, min_size: int | None, per_identity: int | None, /) -> Any:
        """Change the sizes; answers what has a `to_dict`. Raises ConfigError."""
        ...

    def suspend(self) -> Any:
        """Lend nothing until `resume`; answers what has a `to_dict`."""
        ...

    def resume(self) -> Any:
        """Lend again; answers what has a `to_dict`."""
        ...

    def to_dict(self, *, leaks: bool = False) -> dict[str, Any]:
        """Settings, figures and contents as plain data, without secrets; with `leaks` what is lent the longest."""
        ...


class AdministeredActivation(Protocol):
    """One activation; documented at container.activation_operations.OperatedActivation."""

    def pause(self) -> Any:
        """Deliver nothing until `resume`; answers what has a `to_dict`."""
        ...

    def resume(self) -> Any:
        """Deliver again; answers what has a `to_dict`."""
        ...

    def retry(self) -> Any:
        """Try a failed one again; answers what has a `to_dict`."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """State, health and figures as plain data."""
        ...


class EditOutcome(Protocol):
    """What became of an edit; documented at container.edit_report.EditReport."""

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        ...


class EditedConfiguration(Protocol):
    """The configuration; documented at container.configuration_editor.ConfigurationEditor."""

    def get(self, path: tuple[str | int, ...] = (), /) -> dict[str, Any]:
        """What is said at a key, with its origin; secrets are hidden. Raises NameNotFound."""
        ...

    def update(
        self,
        decide: Callable[[Mapping[str, Any]], Sequence[Any]],
        /,
        *,
        revision: str | None = None,
        permit: Callable[[bool], None],
    ) -> EditOutcome:
        """Make edits that depend on what is there, all or none. Raises ConfigError."""
        ...

    def reload(self, *, permit: Callable[[bool], None]) -> EditOutcome:
        """Put the edited files in force. Raises ConfigError."""
        ...


class AdministeredContainer(Protocol):
    """The part of `connector.Container` that administration uses; documented there. Safe to use from any thread."""

    @property
    def name(self) -> str: ...  # noqa: D102 - documented at Container
    @property
    def realm(self) -> str: ...  # noqa: D102 - documented at Container
    @property
    def security(self) -> bool: ...  # noqa: D102 - documented at Container
    @property
    def state_folder(self) -> Path: ...  # noqa: D102 - documented at Container
    @property
    def configuration_path(self) -> Path: ...  # noqa: D102 - documented at Container
    @property
    def configuration(self) -> EditedConfiguration: ...  # noqa: D102 - documented at Container
    @property
    def audit(self) -> AuditLog: ...  # noqa: D102 - documented at Container

    def lookup(self, name: str, /) -> Any:
        """The connection factory of that global name, application-managed. Raises NameNotFound."""
        ...

    def application(self, name: str, /) -> Any:
        """The application's name space, with a `lookup` of its own. Raises NameNotFound."""
        ...

    def login(self, user: str, password: Secret, /) -> AbstractContextManager[Scope]:
        """A scope of that user on the running thread. Raises AuthenticationFailed."""
        ...

    def explain(
        self, reference: str, /, *, caller: str | None = None, suppose: Mapping[str, ModuleResult] | None = None
    ) -> Explanation:
        """How the sign-on of a reference comes about."""
        ...

    def test_connection(
        self, reference: str, /, *, caller: str | None = None, password: Secret | None = None
    ) -> ConnectionReport:
        """Connect once, outside the pool."""
        ...

    def pool(self, reference: str, /) -> AdministeredPool:
        """The pool of a resource, or behind a reference. Raises NameNotFound."""
        ...

    def pools(self) -> Iterable[AdministeredPool]:
        """The pools of all resources."""
        ...

    def activation(self, name: str, /) -> AdministeredActivation:
        """One activation, as `application:activation`. Raises NameNotFound."""
        ...

    def activations(self) -> Iterable[AdministeredActivation]:
        """All activations."""
        ...

    @property
    def transactions(self) -> AdministeredTransactions:
        """Its transactions."""
        ...

    def update_auth_data(self) -> frozenset[str]:
        """Read the authentication data again; answers the changed aliases."""
        ...

    def plugins(self) -> Iterable[ListedPlugin]:
        """All plugins found."""
        ...

    def findings(self) -> Iterable[Any]:
        """The security posture: Finding(severity, code, place, text, action)."""
        ...

    def bus_command(self, bus: str, command: str, arguments: Mapping[str, Any], /) -> Any:
        """Have the adapter whose bus it is carry out one of its operations. Raises NameNotFound."""
        ...

    def status(self) -> Mapping[str, Any]:
        """State for people, as plain data."""
        ...

    def realms_status(self) -> Iterable[Mapping[str, Any]]:
        """All realms with their maps, as plain data."""
        ...

    def explain_inbound(self, user: str, foreign: str, /, *, groups: Iterable[str], realm: str | None) -> Explanation:
        """Who a user of a foreign realm is in one of the container's."""
        ...

    def refresh_users(self, user: str | None, /, *, realm: str | None) -> None:
        """Keep nothing of what registries have answered, or nothing of one user."""
        ...

    def admin_roles_of(self, subject: Subject, /) -> frozenset[str]:
        """The admin roles, closed upwards."""
        ...

    def bus_connection(
        self, bus: str, /, user: str | None = None, password: Secret | None = None
    ) -> AbstractContextManager[AdministeredBus]:
        """A connection to a bus of this container, signed on as the user or as nobody."""
        ...
