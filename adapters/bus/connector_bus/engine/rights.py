"""What is open goes on only as long as whoever opened it may have it open: asked again at each change (BUS-12)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from connector.errors import AccessDenied, ConnectorError, SecurityError
from connector.spi import Principal, Subject, UserPrincipal, identity_outage
from connector_bus.engine.access import AccessControl
from connector_bus.policy.roles import Role

_LOG = logging.getLogger("connector_bus.engine")


@dataclass(frozen=True, slots=True)
class Right:
    """What somebody needs to have something open.

    Attributes:
        subject: Who.
        role: Which role.
        resource: On which destination, by the name that it was opened by.
        topic: And on which topic of it; None for all together.
    """

    subject: Subject
    role: Role
    resource: str
    topic: str | None = None


@final
class RightsWatch:
    """All that is open on one bus, with what it needs. Safe to use from any thread.

    Args:
        access: The bus's role checks.

    Mutable state: `_open`, changed under `_lock`.
    """

    def __init__(self, access: AccessControl) -> None:
        self._access = access
        self._lock = threading.Lock()
        self._open: dict[object, tuple[Right, Callable[[ConnectorError], None]]] = {}
        access.subscribe(self._changed)

    def watch(self, right: Right, lost: Callable[[ConnectorError], None]) -> Callable[[], None]:
        """Have `lost` called, at most once, when the right is gone, with the refusal; answers what ends the watching.

        It is called on the thread that changed the policy, and must neither block nor raise.
        """
        key = object()
        with self._lock:
            self._open[key] = (right, lost)
        # Between the check that let it in and this a change may have been made that nobody told.
        if not self._access.allows(right.subject, right.role, right.resource, right.topic):
            self._ask(key, right, lost)

        def end() -> None:
            with self._lock:
                self._open.pop(key, None)

        return end

    def present(self, subject: Subject) -> Subject:
        """The subject as the registry knows its user now. May block for the registry.

        Raises AuthenticationFailed where the user has vanished, or the registry can't be asked.
        """
        caller = subject.caller
        if not self._access.active or not isinstance(caller, UserPrincipal) or not subject.is_authenticated:
            return subject
        # Of users of other realms only their sign-on knows the groups.
        return self._access.subject_of(caller) if caller.realm == self._access.realm else subject

    def _changed(self) -> None:
        with self._lock:
            open_now = list(self._open.items())
        known: dict[Principal, Subject] = {}  # each user is looked up once, however much they have open
        for key, (right, lost) in open_now:
            self._ask(key, right, lost, known)

    def _ask(
        self,
        key: object,
        right: Right,
        lost: Callable[[ConnectorError], None],
        known: dict[Principal, Subject] | None = None,
    ) -> None:
        refusal = self._refusal(right, {} if known is None else known)
        if refusal is None:
            return
        with self._lock:
            still_open = self._open.pop(key, None) is not None
        if still_open:
            lost(refusal)

    def _refusal(self, right: Right, known: dict[Principal, Subject]) -> ConnectorError | None:
        caller = right.subject.caller
        try:
            subject = (None if caller is None else known.get(caller)) or self.present(right.subject)
            if subject is not right.subject and caller is not None:
                known[caller] = subject  # as the registry knows the user: the same for all
            if not self._access.allows(subject, right.role, right.resource, right.topic):
                self._access.require(subject, right.role, right.resource, right.topic)
        except AccessDenied as refused:
            return refused
        except SecurityError as error:
            if identity_outage(error) is None:
                return error
            _LOG.warning("a right on %s can't be asked about again: %s", right.resource, error)
        return None
