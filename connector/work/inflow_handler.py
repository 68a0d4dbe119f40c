"""The callback handler that a security context talks to, and the way from there to a subject (FLOW-3)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, final

from connector.errors import AuthenticationFailed, Reason, SubjectRejected
from connector.spi import (
    Callback,
    CallerPrincipalCallback,
    GroupPrincipalCallback,
    IdentityService,
    PasswordValidationCallback,
    Principal,
    SecurityContext,
    Subject,
    UnsupportedCallback,
)
from connector.work.inflow import Heard, InflowDecision, RealmFacts, decide_inflow, named_user

_log = logging.getLogger("connector.work")

SETUP_OVER = Reason(
    "CF-WORK-030",
    "callbacks came after the set-up of the security context was over.",
    "The adapter must use the callback handler within `setup_security_context` only.",
)


@final
class InflowCallbackHandler:
    """Collects what one security context says; decides nothing but whether a password is right.

    A wrong password raises nothing (its `result` says so), and fails the set-up all the same when it is decided.
    Used on one thread, for one set-up; `close` makes every later use an error.

    Args:
        identity: Who validates passwords.
        execution_subject: The subject that was handed to the security context.
    """

    # Mutable state, all of it used on the work's own thread: the lists, `_failure` and `_open`.

    def __init__(self, identity: IdentityService, execution_subject: Subject) -> None:
        self._identity = identity
        self._subject = execution_subject
        self._callers: list[Principal | str | None] = []
        self._groups: list[str] = []
        self._group_callbacks = 0
        self._passwords: list[tuple[str, bool]] = []
        self._failure: AuthenticationFailed | None = None
        self._open = True

    def handle(self, callbacks: Sequence[Callback]) -> None:
        """Take the callbacks, in any order, in one call or several (FLOW-3).

        Blocks where a password is validated (50 to 400 ms). Raises UnsupportedCallback for an outbound callback (the
        ones before it count), SubjectRejected after the set-up is over.
        """
        if not self._open:
            raise SubjectRejected(SETUP_OVER)
        for callback in callbacks:
            if isinstance(callback, CallerPrincipalCallback):
                self._callers.append(callback.principal)
            elif isinstance(callback, GroupPrincipalCallback):
                self._groups.extend(callback.groups)
                self._group_callbacks += 1
            elif isinstance(callback, PasswordValidationCallback):
                self._validate(callback)
            else:
                raise UnsupportedCallback(callback)
            if callback.subject is not self._subject:
                _log.warning("a %s came with another subject; the execution subject is used", type(callback).__name__)

    def close(self) -> Heard:
        """End the set-up and answer what was heard, the execution subject's own content included."""
        self._open = False
        return Heard(
            callers=tuple(self._callers),
            groups=tuple(self._groups),
            passwords=tuple(self._passwords),
            group_callbacks=self._group_callbacks,
            placed=self._subject.principals,
            credentials=self._subject.credentials,
        )

    @property
    def failure(self) -> AuthenticationFailed | None:
        """The first refused password's error: the cause of what the decision raises."""
        return self._failure

    def _validate(self, callback: PasswordValidationCallback) -> None:
        # Out of the callback before anything can fail: nobody finds it there afterwards (AUTHD-4).
        password, callback.password = callback.password, None
        callback.result = False
        if password is not None:
            try:
                self._identity.authenticate(callback.user, password)
                callback.result = True
            except AuthenticationFailed as error:
                self._failure = self._failure or error
        self._passwords.append((callback.user, callback.result))


def establish_subject(context: SecurityContext, identity: IdentityService) -> InflowDecision:
    """Let a security context speak, and decide: the decision answered always has a subject (FLOW-3).

    The context is given no service subject: the container has no credentials that an external system could ask of it.
    Blocks for as long as the context and the registry do. Raises SubjectRejected with the decision's explanation,
    UnsupportedCallback, and whatever the context or the registry raises. Safe to call from any thread.
    """
    execution_subject = Subject()
    handler = InflowCallbackHandler(identity, execution_subject)
    try:
        context.setup_security_context(handler, execution_subject, None)
    finally:
        heard = handler.close()
        if not execution_subject.is_read_only:
            execution_subject.clear()  # an adapter that keeps it finds nothing in it
    decision = decide_inflow(heard, _facts(heard, identity))
    for group in decision.dropped_groups:
        _log.warning("group %r of an inbound caller was dropped: unknown to the caller's realm", group)
    if decision.reason is not None:
        details: dict[str, Any] = dict(decision.details)
        raise SubjectRejected(decision.reason, explanation=decision.explanation(), **details) from handler.failure
    return decision


def _facts(heard: Heard, identity: IdentityService) -> RealmFacts:
    """Ask the registry about those who were named, and about nobody else."""
    realm = identity.realm
    users = {user for caller in heard.callers if (user := named_user(caller, realm)) is not None}
    return RealmFacts(
        realm=realm,
        trusted=identity.trusted_realms,
        groups_of={user: identity.groups_of(user) for user in users if identity.user_exists(user)},
        known_groups=frozenset(group for group in set(heard.groups) if identity.group_exists(group)),
    )
