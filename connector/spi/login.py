"""Login modules: the links of a login configuration's chain (SIGN-4)."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from enum import Enum
from typing import Any, ClassVar, Protocol, runtime_checkable

from connector.spi.callbacks import CallbackHandler
from connector.spi.subject import Subject

#: The mapping property under which a reference's `alias` reaches a module.
ALIAS_PROPERTY = "alias"


class ControlFlag(Enum):
    """What a module's success or failure means for the chain (`connector.security.login_outcome` has the table)."""

    REQUIRED = "required"
    REQUISITE = "requisite"
    SUFFICIENT = "sufficient"
    OPTIONAL = "optional"


class Dependency(Enum):
    """What a module's outcome may depend on; everything it does not name makes its outcome cacheable.

    Mapping properties and the target factory belong to the reference, and so need not be named: a cached outcome
    never leaves its reference.
    """

    CALLER = "caller"  # the caller's name and realm
    GROUPS = "groups"  # the caller's groups
    CREDENTIALS = "credentials"  # the caller's private credentials, for example a delegated ticket
    ALIAS = "alias"  # authentication data: a new version makes the cached outcome stale
    REQUEST = "request"  # what the application passed in the call
    TIME = "time"  # anything else that changes by itself: never cached


class LoginFailed(Exception):
    """A module's failure. The text is shown to people and written to the audit log: no secret in it.

    Args:
        text: Why, in one sentence.
        action: What to do; may be empty.
    """

    def __init__(self, text: str, action: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.action = action


@runtime_checkable
class LoginModule(Protocol):
    """One link of a chain, made anew for each login.

    Phase one asks `login` of the modules in order; phase two `commit` of all, or `abort` of all when the chain failed.
    Nothing goes into the subject before `commit`, and `abort` and `logout` take out what the module put in.
    A module may block (directory, ticket service); it runs on the thread that asks for the connection.
    """

    #: What the outcome depends on. Leaving out something that matters would serve one caller another's credential:
    #: a module that declares nothing is asked every time.
    depends_on: ClassVar[frozenset[Dependency]]

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Get ready: `subject` is the one to fill at commit, `shared_state` goes along the chain of one login,
        `options` are shared by all users of the login configuration.
        """
        ...

    def login(self) -> bool:
        """Find out whether this module has something to say. False: ignore me. Raises LoginFailed."""
        ...

    def commit(self) -> bool:
        """Put principals and credentials into the subject. False: this module's `login` had not succeeded."""
        ...

    def abort(self) -> bool:
        """Forget everything: the chain as a whole failed, whatever this module said."""
        ...

    def logout(self) -> bool:
        """Take out of the subject what `commit` put in."""
        ...
