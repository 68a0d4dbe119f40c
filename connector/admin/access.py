"""Who may ask a running container for what: the table of CONF-4 as one pure decision.

================  =============================================================================
Access            Who may, with administrative security on
================  =============================================================================
BUS               anybody: the bus decides by its own roles who is let in (BUS-2, CHAIN-5)
AUTHENTICATED     every authenticated caller (CONF-4: a look-up from outside)
MONITOR           the admin role monitor, or one that has it
OPERATOR          likewise operator
CONFIGURATOR      likewise configurator
ADMINISTRATOR     likewise administrator
================  =============================================================================

With administrative security off everybody may everything; every start says so in a warning (CONF-4).
The roles of a caller come closed upwards: an administrator has all four.
"""

from __future__ import annotations

from collections.abc import Set
from enum import Enum, unique

from connector.errors import AccessDenied, AuthenticationFailed, Reason

LOGIN_NEEDED = Reason(
    "CF-ADM-020",
    "{operation}: the container {container} has administrative security on and was asked without a login.",
    "Give --login USER, with --login-password-file FILE or at the prompt.",
)
ROLE_MISSING = Reason(
    "CF-ADM-021",
    "{operation}: {caller} has not the admin role {role}.",
    "Ask as somebody who has it, or add the user to [admin] {role} in the configuration.",
)


@unique
class Access(Enum):
    """What an operation asks of its caller; see the table above."""

    BUS = "bus"
    AUTHENTICATED = "authenticated"
    MONITOR = "monitor"
    OPERATOR = "operator"
    CONFIGURATOR = "configurator"
    ADMINISTRATOR = "administrator"


def needs_login(access: Access, *, security: bool) -> bool:
    """Whether the caller has to log in before the access can be judged. Pure."""
    return security and access is not Access.BUS


def check_access(
    operation: str, access: Access, *, security: bool, container: str, caller: str | None, roles: Set[str]
) -> None:
    """Let the caller pass, or raise. Pure.

    Args:
        operation: The operation's name, for the message.
        access: What it asks for.
        security: Whether administrative security is on.
        container: The container's name, for the message.
        caller: The authenticated caller, or None without a login.
        roles: The caller's admin roles, closed upwards.

    Raises:
        AuthenticationFailed: There was no login (CF-ADM-020); the command line then asks for one and tries again.
        AccessDenied: The caller has not the role (CF-ADM-021).
    """
    if not needs_login(access, security=security):
        return
    if caller is None:
        raise AuthenticationFailed(LOGIN_NEEDED, operation=operation, container=container)
    if access is Access.AUTHENTICATED or access.value in roles:
        return
    raise AccessDenied(ROLE_MISSING, operation=operation, caller=caller, role=access.value)
