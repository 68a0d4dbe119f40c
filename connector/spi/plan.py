"""The sign-on plan: who a connection is signed on as, and by which source (SIGN-1, SIGN-2)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from connector.spi.credentials import IdentityAssertion
from connector.spi.explanation import Explanation
from connector.spi.subject import Subject

if TYPE_CHECKING:
    from connector.spi.connection import ConnectionRequestInfo


class SignOnSource(Enum):
    """The rule that won."""

    CALL_ARGUMENTS = "call arguments"  # SIGN-1 (1)
    COMPONENT_ALIAS = "component alias"  # SIGN-1 (2)
    RESOURCE_PROPERTIES = "resource properties"  # SIGN-1 (3)
    LOGIN_CONFIGURATION = "login configuration"  # SIGN-2
    FACTORY_DEFAULT = "factory default"  # on_no_credential = "factory-default", or Application with none
    ANONYMOUS = "anonymous"  # on_no_credential = "anonymous"


@dataclass(frozen=True, slots=True)
class RejectedSource:
    """A source that was considered and did not win.

    Attributes:
        source: Which.
        why: The reason, in words.
    """

    source: SignOnSource
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class SignOnPlan:
    """All that pool and factory need to know to give a caller a connection; immutable, compared by identity.

    Attributes:
        reference: The reference's name (or the global name of a direct look-up).
        resource: The resource's global name.
        source: The rule that won.
        rejected: The sources that did not, each with its reason.
        subject: What the factory signs on with: None for "use your own defaults" (null), an empty subject for
            "sign on as nobody", else a read-only subject with credentials for this factory.
        asserted: The caller to assert on a trusted connection, or None.
        request: The connection request info, without credentials.
        partition: The pool key: free connections serve requests of the same partition only. For trusted
            connections it holds the system user, so that pooling works across callers (TRUST-1).
        sharing_key: Which handles may share one physical connection: holds the *effective* user.
        version: The version of the credential; higher ones supersede it (AUTHD-3).
        user: The user signed on as, for people; None if the factory decides.
        explanation: How it came about.
    """

    reference: str
    resource: str
    source: SignOnSource
    rejected: tuple[RejectedSource, ...]
    subject: Subject | None
    asserted: IdentityAssertion | None
    request: ConnectionRequestInfo | None
    partition: Hashable
    sharing_key: Hashable
    version: int
    user: str | None
    explanation: Explanation

    @property
    def effective_user(self) -> str | None:
        """Who the external system sees at work: the asserted caller, else the user signed on as."""
        return self.asserted.user if self.asserted is not None else self.user
