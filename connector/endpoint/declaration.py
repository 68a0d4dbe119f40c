"""How an application declares message-driven handlers: a mark on a function, found again in its module (FLOW-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from connector.endpoint.message_context import MessageContext
from connector.errors import DeploymentError, Reason

__all__ = ["HandlerDeclaration", "MessageContext", "declared_handlers", "message_driven"]

Handler = TypeVar("Handler", bound=Callable[..., Any])

WRONG_DECLARATION = Reason(
    "CF-ENDP-001",
    "the message-driven handler {handler} is declared wrongly: {problem}.",
    'Declare it as @message_driven(activation="NAME", roles_allowed={{"ROLE"}}) on a function of message and context.',
)

_MARK = "__connector_message_driven__"


@dataclass(frozen=True, slots=True)
class HandlerDeclaration:
    """What the decorator says about one handler; the application's descriptor may override it (CONF-3).

    Attributes:
        activation: The activation's name in the application.
        handler: The function, `def` or `async def`, of message and context.
        roles_allowed: Who may call it; None for "not said", empty for any caller.
        transacted: Whether receive, reply and sends are to be one unit.
    """

    activation: str
    handler: Callable[..., Any] = field(repr=False)
    roles_allowed: frozenset[str] | None = None
    transacted: bool = False

    @property
    def name(self) -> str:
        """The handler as `module:function`, for errors, logs and audit."""
        return handler_name(self.handler)


def message_driven(
    *, activation: str, roles_allowed: Iterable[str] | None = None, transacted: bool = False
) -> Callable[[Handler], Handler]:
    """Mark a function as message-driven handler; it stays callable directly, for example by a test.

    Args:
        activation: The activation's name in the application's descriptor.
        roles_allowed: The roles that may call it; None or empty: any caller (`connector check` reports it).
        transacted: Whether receive, reply and sends are to be one unit.

    Raises DeploymentError (CF-ENDP-001) where the module is imported: for no activation, for a text in place of a set
    of roles (its letters would be the roles), for what is no function, and for a second mark.
    """

    def mark(handler: Handler) -> Handler:
        problem = _problem(handler, activation, roles_allowed)
        if problem:
            raise DeploymentError(WRONG_DECLARATION, handler=handler_name(handler), problem=problem)
        roles = None if roles_allowed is None else frozenset(roles_allowed)
        setattr(handler, _MARK, HandlerDeclaration(activation, handler, roles, transacted))
        return handler

    return mark


def declared_handlers(module: ModuleType) -> tuple[HandlerDeclaration, ...]:
    """The handlers that a module (or, for a package, its parts) defines, in the order of their names in it.

    A handler that was only imported from elsewhere is not answered, so that it isn't activated twice. Does not block.
    """
    found = {
        id(value): declaration
        for _, value in sorted(vars(module).items())
        if isinstance(declaration := getattr(value, _MARK, None), HandlerDeclaration)
        and f"{value.__module__}.".startswith(f"{module.__name__}.")
    }
    return tuple(found.values())


def declaration_of(handler: object) -> HandlerDeclaration | None:
    """What `@message_driven` says about a function; None where it isn't marked."""
    found = getattr(handler, _MARK, None)
    return found if isinstance(found, HandlerDeclaration) else None


def handler_name(handler: object) -> str:
    """A handler as `module:function`; never its `repr`."""
    name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
    return f"{getattr(handler, '__module__', '?')}:{name}"


def _problem(handler: object, activation: object, roles_allowed: object) -> str:
    if not callable(handler) or isinstance(handler, type):
        return "it is no function"
    if not isinstance(activation, str) or not activation:
        return "it names no activation"
    if isinstance(roles_allowed, str):
        return f"roles_allowed is the text {roles_allowed!r}, not a set of role names"
    if hasattr(handler, _MARK):
        return "it is marked twice"
    return ""
