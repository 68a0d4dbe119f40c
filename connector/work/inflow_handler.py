"""The callback handler that a security context talks to, and the way from there to a subject (FLOW-3)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, final

from connector.errors import AuthenticationFailed, Reason, RegistryUnavailable, SubjectRejected
from connector.security.domain import SecurityDomain
from connector.spi import (
    AuditEvent,
    Callback,
    CallerPrincipalCallback,
    GroupPrincipalCallback,
    IdentityService,
    Outcome,
    PasswordValidationCallback,
    Principal,
    SecurityContext,
    Subject,
    UnsupportedCallback,
)
from connector.work.inflow import decide_inflow, foreign_user, named_user
from connector.work.inflow_facts import Heard, InflowDecision, RealmFacts
from connector.work.inflow_reasons import NOT_ASKED, REALM_UNKNOWN
from connector.work.inflow_report import report, report_outage

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
    Used on one thread, for one set-up; `end` or `close` makes every later use an error.

    Args:
        identity: Who validates passwords.
        execution_subject: The subject that was handed to the security context.
    """

    # Mutable state, all of it used on the work's own thread: everything but the identity service and the subject.
    # Class attributes, since most messages name a caller and say nothing else.
    _groups: tuple[str, ...] = ()
    _group_callbacks = 0
    _passwords: tuple[tuple[str, bool], ...] = ()
    _failure: AuthenticationFailed | None = None
    _undecided: tuple[str, str] | None = None
    _open = True
    _callers_only = True

    def __init__(self, identity: IdentityService, execution_subject: Subject) -> None:
        self._identity = identity
        self._subject = execution_subject
        self._callers: list[Principal | str | None] = []

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
                self._groups = (*self._groups, *callback.groups)
                self._group_callbacks += 1
                self._callers_only = False
            elif isinstance(callback, PasswordValidationCallback):
                self._callers_only = False
                self._validate(callback)
            else:
                raise UnsupportedCallback(callback)
            if callback.subject is not self._subject:
                _log.warning("a %s came with another subject; the execution subject is used", type(callback).__name__)

    def end(self) -> None:
        """End the set-up: every later use is an error."""
        self._open = False

    def close(self) -> Heard:
        """`end`, and answer what was heard, the execution subject's own content included."""
        self.end()
        return Heard(
            callers=tuple(self._callers),
            groups=self._groups,
            passwords=self._passwords,
            group_callbacks=self._group_callbacks,
            placed=self._subject.principals,
            credentials=self._subject.credentials,
            undecided=self._undecided,
        )

    @property
    def failure(self) -> AuthenticationFailed | None:
        """Of the first password that was refused or could not be checked: the cause of what the decision raises."""
        return self._failure

    def _validate(self, callback: PasswordValidationCallback) -> None:
        # Out of the callback before anything can fail: nobody finds it there afterwards (AUTHD-4).
        password, callback.password = callback.password, None
        callback.result = False
        if password is not None:
            try:
                self._identity.authenticate(callback.user, password)
                callback.result = True
            except RegistryUnavailable as error:
                # Nobody has said that it is wrong: the set-up fails for now, whatever else was said.
                self._failure = self._failure or error
                self._undecided = self._undecided or (callback.user, f"{error.code}: {error.text}")
                return
            except AuthenticationFailed as error:
                self._failure = self._failure or error
        self._passwords = (*self._passwords, (callback.user, callback.result))


def establish_subject(context: SecurityContext, identity: SecurityDomain) -> InflowDecision:
    """Let a security context speak, and decide: the decision answered always has a subject (FLOW-3).

    The context is given no service subject: the container has no credentials that an external system could ask of it.
    Blocks for as long as the context and the registry do. Refusals, translations, downgrades and dropped groups are
    audited with the explanation; a caller who is simply asserted shows in what is done in its name.

    Raises SubjectRejected with the decision's explanation, RegistryUnavailable, UnsupportedCallback, and whatever the
    context raises. Safe to call from any thread.
    """
    domain = identity if context.realm is None else _domain(context.realm, identity)
    execution_subject = Subject()
    handler = InflowCallbackHandler(domain, execution_subject)
    try:
        context.setup_security_context(handler, execution_subject, None)
    finally:
        handler._open = False
        # The one caller, where nothing but that was said at all.
        plain = handler._callers_only and len(handler._callers) == 1 and execution_subject.is_empty
        only = handler._callers[0] if plain else None
        heard = None if only is not None else handler.close()
        if heard is not None and not execution_subject.is_read_only:
            execution_subject.clear()  # an adapter that keeps it finds nothing in it
    try:
        decision = None if only is None else _known_caller(only, domain)
        if decision is not None:
            return decision
        heard = heard or handler.close()
        facts = _facts(heard, domain)
    except RegistryUnavailable as error:
        report_outage(error, heard or handler.close(), domain)
        raise
    decision = decide_inflow(heard, facts)
    if decision.reason is not None or decision.translation or decision.dropped_groups:
        report(decision, heard, domain)
    if decision.reason is not None:
        details: dict[str, Any] = dict(decision.details)
        rejected = SubjectRejected(decision.reason, explanation=decision.explanation(), **details)
        rejected.retryable = decision.reason is NOT_ASKED
        raise rejected from handler.failure
    return decision


def _known_caller(caller: Principal | str, domain: SecurityDomain) -> InflowDecision | None:
    """The decision where one user of the realm was named and nothing else said, as for most messages; else None."""
    realm = domain.realm
    user = caller if type(caller) is str else named_user(caller, realm)
    if not user:
        return None
    groups = domain.groups_of(user)
    # Whoever is in a group is known; who is in none may be unknown.
    return _asserted(user, realm, groups) if groups or domain.user_exists(user) else None


@lru_cache(4096)
def _asserted(user: str, realm: str, groups: frozenset[str]) -> InflowDecision:
    """`decide_inflow` depends on nothing else here: not on trusted realms, on maps, or on how the user was named.

    So what it decided once for these groups it would decide again; and the subject, read-only and without
    credentials, may be that of several works. The registry is asked each time.
    """
    return decide_inflow(Heard(callers=(user,)), RealmFacts(realm=realm, groups_of={user: groups}))


def _domain(realm: str, identity: SecurityDomain) -> SecurityDomain:
    """The realm that the context wants to be decided in."""
    if realm == identity.realm:
        return identity
    domain = identity.in_realm(realm)
    if domain is None:
        known = ", ".join(identity.realms)
        event = AuditEvent("inflow", "", f"realm {realm}", Outcome.DENIED, REALM_UNKNOWN.code)
        identity.audit.record(event)
        raise SubjectRejected(REALM_UNKNOWN, found=realm, known=known)
    return domain


def _facts(heard: Heard, identity: SecurityDomain) -> RealmFacts:
    """Ask the registry about those who were named, and whom they are translated to, and about nobody else."""
    realm, maps = identity.realm, identity.inbound_maps
    users = {user for caller in heard.callers if (user := named_user(caller, realm)) is not None}
    groups = set(heard.groups)
    if maps:
        for caller in heard.callers:
            foreigner = foreign_user(caller, realm)
            inbound = None if foreigner is None else maps.get(foreigner.realm)
            if foreigner is not None and inbound is not None:
                users |= {user for user in (inbound.user_for(foreigner.name),) if user is not None}
                groups |= {ours for group in heard.groups if (ours := inbound.group_for(group)) is not None}
    return RealmFacts(
        realm=realm,
        trusted=identity.trusted_realms,
        groups_of={user: identity.groups_of(user) for user in users if identity.user_exists(user)},
        known_groups=frozenset(group for group in groups if identity.group_exists(group)),
        maps=maps,
    )
