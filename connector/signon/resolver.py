"""The sign-on resolver: reference, target, call and caller become a plan, or one error that explains itself (SIGN)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping
from threading import Lock
from typing import Protocol, final

from connector.errors import ConnectorError, SignOnError
from connector.security.login_configuration import LoginConfiguration
from connector.security.login_outcome import ModuleResult
from connector.security.login_suppose import check_supposed, supposing
from connector.signon.application import application_sign_on
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.signon.container_managed import CHAIN_FAILED, NO_CREDENTIAL, container_sign_on
from connector.signon.default_mapping import check_default_mapping
from connector.signon.found import credentials_given, make_plan
from connector.signon.reference import DEFAULT_PRINCIPAL_MAPPING, ResAuth, ResourceReference, SignOnTarget
from connector.signon.trail import SignOnTrail, caller_text
from connector.spi import (
    AuditEvent,
    AuditLog,
    AuthenticationData,
    ConnectionRequestInfo,
    Dependency,
    Explanation,
    Outcome,
    SignOnPlan,
    Subject,
)

log = logging.getLogger("connector.signon")

#: Refusals that are about the caller; all others are mistakes of configuration, and audited as failures.
_DENIALS = frozenset({CHAIN_FAILED.code, NO_CREDENTIAL.code})

_CALLER_INDEPENDENT = frozenset({Dependency.ALIAS, Dependency.REQUEST})


class AuthenticationDataSource(Protocol):
    """What sign-on and connection managers need of `connector.security.authdata.AuthDataService`."""

    @property
    def generation(self) -> int:
        """Grows with each refresh that changed something. Does not block."""
        ...

    def get(self, alias: str) -> AuthenticationData | None:
        """The newest snapshot of an alias, or None. Does not block."""
        ...


@final
class SignOnResolver:
    """Resolves sign-ons; one for a container. Safe to use from any thread.

    Args:
        auth_data: The authentication data.
        configurations: The login configurations by name.
        audit: Where sign-ons and refusals are recorded (SIGN-7).

    Raises:
        ConfigError: the built-in default mapping was changed (SIGN-3).
    """

    def __init__(
        self,
        auth_data: AuthenticationDataSource,
        configurations: Mapping[str, LoginConfiguration],
        audit: AuditLog,
    ) -> None:
        check_default_mapping(configurations.get(DEFAULT_PRINCIPAL_MAPPING))
        self._auth_data = auth_data
        self._configurations = dict(configurations)
        self._audit = audit
        # Mutable, under the lock: the references whose callers have been told that their credentials are not used.
        self._warned: set[ResourceReference] = set()
        self._lock = Lock()

    def resolve(
        self,
        reference: ResourceReference,
        target: SignOnTarget,
        request: ConnectionRequestInfo | None,
        caller: Subject | None,
    ) -> SignOnPlan:
        """Make the plan of one sign-on, and record it in the audit log.

        Blocks as long as the login modules do; nothing is connected.

        Args:
            reference: Which reference.
            target: The resource that it is bound to.
            request: What the application passed in the call, or None.
            caller: The caller, read-only; None for none, which an empty subject is not.

        Raises:
            SignOnError: there is no credential to sign on with; names reference, resource, login configuration and
                module, and carries the explanation (SIGN-7).
        """
        self._warn_once(reference, request)
        try:
            plan = self._plan(reference, target, request, caller, in_full=False)
        except SignOnError as error:
            outcome = Outcome.DENIED if error.code in _DENIALS else Outcome.FAILURE
            self._record(reference, caller, outcome, error.code, error.explanation)
            raise
        self._record(reference, caller, Outcome.SUCCESS, plan.source.value, plan.explanation)
        return plan

    def record_refusal(
        self, reference: ResourceReference, caller: Subject | None, error: ConnectorError, *, denied: bool
    ) -> None:
        """Record in the audit log that a connection was refused to a caller, by us or by the external system.

        Args:
            reference: Through which reference.
            caller: To whom; None for no caller.
            error: The refusal, with its explanation where it has one.
            denied: Whether it is about the caller or the credential; if not, it is a mistake of configuration.
        """
        outcome = Outcome.DENIED if denied else Outcome.FAILURE
        how = error.explanation if isinstance(error.explanation, Explanation) else None
        self._record(reference, caller, outcome, error.code, how, action="connect")

    def explain(
        self,
        reference: ResourceReference,
        target: SignOnTarget,
        request: ConnectionRequestInfo | None,
        caller: Subject | None,
        *,
        suppose: Mapping[str, ModuleResult] | None = None,
    ) -> Explanation:
        """How `resolve` would come about, by the same code; a refusal is explained, not raised (SIGN-8).

        It says more than a plan's own explanation, which is kept for each caller: also what each module contributes.
        Blocks as long as the login modules do; nothing is connected, warned of or recorded, and no secret is shown.

        Args:
            reference: As for `resolve`.
            target: As for `resolve`.
            request: As for `resolve`.
            caller: As for `resolve`.
            suppose: What modules of the login configuration, by name, are to have answered without being asked.

        Raises:
            ConfigError: Something is supposed of a module that the reference's login configuration does not have.
        """
        try:
            return self._plan(reference, target, request, caller, in_full=True, suppose=suppose).explanation
        except SignOnError as error:
            if isinstance(error.explanation, Explanation):
                return error.explanation
            raise

    def plan_dependencies(
        self, reference: ResourceReference, request: ConnectionRequestInfo | None = None
    ) -> frozenset[Dependency]:
        """What a plan of this reference depends on beyond the reference itself; decides how it may be cached.

        May import login modules at the first call for a configuration. A configuration that doesn't exist depends on
        everything: its refusal is not cached.
        """
        if reference.res_auth is ResAuth.APPLICATION:
            return frozenset({Dependency.REQUEST if credentials_given(request) else Dependency.ALIAS})
        configuration = self._configurations.get(reference.login)
        return configuration.depends_on if configuration is not None else frozenset({Dependency.TIME})

    def plan_revision(self, reference: ResourceReference) -> Callable[[], Hashable | None] | None:
        """Asks what a kept plan of this reference is good for beyond `plan_dependencies`; None: nothing can change.

        The callable answers None where it can't be told. It may look at files' dates, and read files that are new.
        """
        configuration = self._configurations.get(reference.login)
        if reference.res_auth is ResAuth.APPLICATION or configuration is None or not configuration.changes_outside:
            return None
        return configuration.revision

    def _plan(
        self,
        reference: ResourceReference,
        target: SignOnTarget,
        request: ConnectionRequestInfo | None,
        caller: Subject | None,
        *,
        in_full: bool,
        suppose: Mapping[str, ModuleResult] | None = None,
    ) -> SignOnPlan:
        configurations = self._supposing(reference, suppose) if suppose else self._configurations
        dependencies = self.plan_dependencies(reference, request)
        caller_matters = not dependencies <= _CALLER_INDEPENDENT
        trail = SignOnTrail(reference, caller, caller_matters=caller_matters, in_full=in_full)
        if reference.res_auth is ResAuth.APPLICATION:
            found = application_sign_on(trail, target, request, self._auth_data.get)
        else:
            handler = SignOnCallbackHandler(reference, target, request, caller, self._auth_data.get)
            found = container_sign_on(trail, handler, reference, target, request, configurations)
        return make_plan(trail, reference, target, request, found)

    def _supposing(
        self, reference: ResourceReference, suppose: Mapping[str, ModuleResult]
    ) -> Mapping[str, LoginConfiguration]:
        if reference.res_auth is ResAuth.APPLICATION:
            check_supposed(suppose, f"the application-managed reference {reference.name!r}, which asks none", set())
        configuration = self._configurations.get(reference.login)
        if configuration is None:
            return self._configurations
        return {**self._configurations, reference.login: supposing(configuration, suppose)}

    def _warn_once(self, reference: ResourceReference, request: ConnectionRequestInfo | None) -> None:
        if reference.res_auth is not ResAuth.CONTAINER or not credentials_given(request):
            return
        with self._lock:
            if reference in self._warned:
                return
            self._warned.add(reference)
        log.warning(
            "reference %r to resource %r is container-managed: credentials given in the call are not used (SIGN-2)",
            reference.name,
            reference.resource,
        )

    def _record(
        self,
        reference: ResourceReference,
        caller: Subject | None,
        outcome: Outcome,
        reason: str,
        how: Explanation | None,
        *,
        action: str = "sign-on",
    ) -> None:
        details = {"reference": reference.name, "explanation": how.to_dict() if how is not None else None}
        self._audit.record(AuditEvent(action, caller_text(caller), reference.resource, outcome, reason, details))
