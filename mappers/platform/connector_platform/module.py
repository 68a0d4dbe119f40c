"""The platform identity mapping: a user id that the platform vouches for, where no password is given (SIGN-5)."""

from __future__ import annotations

import os
import pwd
from typing import ClassVar, final

from connector.errors import Reason
from connector.spi import (
    ALIAS_PROPERTY,
    CallerSubjectCallback,
    CredentialLoginModule,
    Dependency,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCallback,
    PlatformIdentity,
    Subject,
)

SWITCH_WRONG = Reason(
    "CF-PLAT-001",
    "the setting process_user is {found}",
    "It must be true or false: correct the option or the mapping property.",
)
NO_OS_USER = Reason(
    "CF-PLAT-002",
    "the operating system has no name for the user id {uid} that this process runs as",
    "Give the process a user of its own, or map by an alias.",
)

_TRUTH = {"true": True, "false": False}


@final
class PlatformMappingModule(CredentialLoginModule):
    """Yields one credential of mechanism `Platform`, and only where nothing else is meant.

    ========================================== ======================================
    what there is                              what it says
    ========================================== ======================================
    an alias, or user and password in the call nothing: another module's matter
    a platform user id in the caller's subject that user
    none, `process_user = true`                the user that this process runs as
    none                                       nothing
    ========================================== ======================================

    With `process_user` every caller without a user id of its own works as the process: set it where all callers may.
    Made anew for each login; used on one thread.
    """

    depends_on: ClassVar[frozenset[Dependency]] = frozenset(
        {Dependency.CREDENTIALS, Dependency.ALIAS, Dependency.REQUEST}
    )

    def find(self) -> tuple[PlatformIdentity, ...]:
        """Find the user id; nothing where there is none, or something else is meant.

        Does not block on a network, unless the host's user database does.

        Raises:
            LoginFailed: a setting that is wrong; a process without a user's name.
        """
        properties = MappingPropertiesCallback()
        target = ManagedConnectionFactoryCallback()
        caller = CallerSubjectCallback()
        password = PasswordCallback()
        self.ask(properties, target, caller, password)
        process_user = _switch({**self.options, **properties.properties}.get("process_user", False))
        if properties.properties.get(ALIAS_PROPERTY) or password.password is not None:
            return ()
        user = _user_in(caller.subject) or (process_user_name() if process_user else "")
        return (PlatformIdentity(user, target.factory),) if user else ()


def process_user_name() -> str:
    """Who this process works as for the operating system: the effective user. Raises LoginFailed without a name."""
    uid = os.geteuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise LoginFailed(f"{NO_OS_USER.code}: {NO_OS_USER.text.format(uid=uid)}", NO_OS_USER.action) from None


def _user_in(caller: Subject | None) -> str:
    if caller is None:
        return ""
    return next((one.user for one in caller.credentials_of(PlatformIdentity) if one.factory is None), "")


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    truth = _TRUTH.get(value.lower()) if isinstance(value, str) else None
    if truth is None:
        # A typing error must not decide about identity by being "not empty".
        raise LoginFailed(f"{SWITCH_WRONG.code}: {SWITCH_WRONG.text.format(found=repr(value))}", SWITCH_WRONG.action)
    return truth
