"""What a handler learns about the message's caller, and how it reaches its references (FLOW-6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from connector.endpoint.role_check import ApplicationRoles
from connector.spi import Message, Principal, Subject


@final
class MessageContext:
    """One delivery's context; the handler's second argument.

    Args:
        message: The message delivered.
        subject: The execution subject of this delivery.
        roles: The application's roles; None where role checks are off.
        lookup: Finds a resource reference of the application.
        application: The application's name.
        activation: The activation's name in it.
        caller: The caller of the message.
        on_unknown_role: Told of a role that the application doesn't bind.
        set_rollback_only: Makes the delivery one that has failed.

    Safe to use from any thread or task of the delivery. Role questions answer for the caller of the message, whatever
    identity the handler runs something as meanwhile.
    """

    __slots__ = (
        "_application",
        "_activation",
        "_lookup",
        "_message",
        "_roles",
        "_subject",
        "_caller",
        "_on_unknown_role",
        "_set_rollback_only",
    )

    def __init__(
        self,
        message: Message,
        subject: Subject,
        roles: ApplicationRoles | None,
        lookup: Callable[[str], Any],
        *,
        application: str,
        activation: str,
        caller: Principal,
        on_unknown_role: Callable[[str], None],
        set_rollback_only: Callable[[], None],
    ) -> None:
        self._message = message
        self._subject = subject
        self._caller = caller
        self._on_unknown_role = on_unknown_role
        self._set_rollback_only = set_rollback_only
        self._roles = roles
        self._lookup = lookup
        self._application = application
        self._activation = activation

    @property
    def message(self) -> Message:
        """The message."""
        return self._message

    @property
    def delivery_count(self) -> int:
        """How many deliveries of this message have failed before this one."""
        return self._message.delivery_count

    @property
    def application(self) -> str:
        """The application's name."""
        return self._application

    @property
    def activation(self) -> str:
        """The activation's name in the application."""
        return self._activation

    @property
    def caller_principal(self) -> Principal:
        """Who sent the message; the unauthenticated principal where nobody is known."""
        return self._caller

    def is_caller_in_role(self, name: str) -> bool:
        """Whether the caller is in a role of the application. Does not block, raises nothing.

        False for a role that the application doesn't bind (reported once in the log), and False for every role
        where role checks are off: nobody is known to be in one then.
        """
        if self._roles is None:
            return False
        if name not in self._roles.roles:
            self._on_unknown_role(name)
            return False
        return self._roles.is_in_role(self._subject, name)

    def lookup(self, name: str) -> Any:
        """The connection factory of a resource reference of the application.

        What it connects with is decided at the connection, by the caller in force then. Raises NameNotFound.
        """
        return self._lookup(name)

    def set_rollback_only(self) -> None:
        """Have everything that this transacted delivery did rolled back, also where the handler returns: the message
        counts as failed and is delivered again or goes to the exception destination. Does not block.

        Raises TransactionError where the handler is not transacted (CF-ENDP-023: raise to have a message again), and
        after the delivery's end (CF-ENDP-025).
        """
        self._set_rollback_only()

    def __repr__(self) -> str:
        return f"<MessageContext {self._application}:{self._activation} for {self._caller}>"
