"""The sign-on plans of one reference: the plan of whoever is the caller now, and whether an older one is still good.

A plan is made once and kept for as long as nothing that it depends on can have changed (`plan_cache`).  A refusal is
never kept.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, final

from connector.errors import IdentityMismatch, Reason, ScopeError
from connector.outbound.plan_cache import PlanCache, anybody, keying
from connector.security.scope import CURRENT_SCOPE, current_scope
from connector.signon.found import credentials_given
from connector.signon.reference import ResourceReference, SignOnTarget
from connector.signon.resolver import AuthenticationDataSource, SignOnResolver
from connector.spi import ConnectionRequestInfo, Scope, SignOnPlan, Subject

FOREIGN_PLAN = Reason(
    "CF-OUT-001",
    "reference {reference!r} was asked for a connection by a plan of reference {other!r} to resource {resource!r}.",
    "A plan is good only for the connection manager that made it; report it to the adapter's author.",
)
SUPERSEDED_PLAN = Reason(
    "CF-OUT-002",
    "reference {reference!r}: the connection of {user!r} can't be replaced: its alias {alias!r} has changed since.",
    "Close the handle and get a new connection, which signs on with the newest authentication data.",
)
ANOTHER_CONTAINERS = Reason(
    "CF-OUT-022",
    "reference {reference!r} of container {container!r}: the identity {caller} in force is one of container {other!r}.",
    "Log in at the container whose references you use, or say that its word counts here: `container.run_as(subject)`.",
)

_NOT_KEPT: Final = object()


@final
class CallerPlans:
    """Who is signed on by which plan, for one reference. Safe to use from any thread.

    Args:
        reference: Whose.
        target: The resource that the reference is bound to.
        resolver: Makes plans.
        auth_data: Whose generation makes plans stale.
        container: The name of the container whose callers count; None for any.

    Attributes:
        for_everybody: The one plan that serves everybody, with the generation of the authentication data that it was
            made under; None where there is none. It is good for as long as that is the generation. Only where a call
            would count is it looked at from outside: all others ask `current`.

    May import login modules.
    """

    __slots__ = (
        "_auth_data", "_cache", "_container", "_key_of", "_reference", "_resolver", "_revision", "_target",
        "for_everybody",
    )  # fmt: skip

    def __init__(
        self,
        reference: ResourceReference,
        target: SignOnTarget,
        resolver: SignOnResolver,
        auth_data: AuthenticationDataSource,
        container: str | None,
    ) -> None:
        self._reference = reference
        self._target = target
        self._resolver = resolver
        self._auth_data = auth_data
        self._key_of = keying(resolver.plan_dependencies(reference))
        # Who signs on for everybody doesn't ask whose caller it is.
        self._container = None if self._key_of is anybody else container
        self._revision = resolver.plan_revision(reference)
        self._cache = PlanCache()
        # Mutable: the fast path of SIGN-3. A tuple, swapped as a whole: whichever thread writes last, generation and
        # plan belong together.
        self.for_everybody: tuple[int, SignOnPlan] | None = None

    def current(self, request: ConnectionRequestInfo | None = None) -> SignOnPlan:
        """The plan by which the caller on the running thread or task gets a connection now.

        Blocks only where login modules have to be asked. Raises ScopeError and SignOnError.
        """
        scope = CURRENT_SCOPE.get()
        if scope is not None and not scope.open:
            current_scope()  # raises with the scope's story; asked here only, to keep the hit path short
        kept = self.for_everybody
        if kept is not None and request is None and kept[0] == self._auth_data.generation:
            return kept[1]
        if scope is not None and scope.container != self._container:
            self._require_own_scope(scope)
        return self._plan_of(None if scope is None else scope.subject, request)

    def kept(self, request: ConnectionRequestInfo | None) -> SignOnPlan | None:
        """What `current` would answer without making anything; None if it would have to. Raises ScopeError.

        Does not block, but for a look at the date of a file that a login module goes by (see `plan_revision`).
        """
        scope = current_scope()
        generation = self._auth_data.generation
        kept = self.for_everybody
        if kept is not None and request is None and kept[0] == generation:
            return kept[1]
        if scope is not None:
            self._require_own_scope(scope)
        if request is not None:
            return None
        key = self._key(None if scope is None else scope.subject, None)
        return None if key is _NOT_KEPT else self._cache.get(key, generation)

    def check_still_good(self, plan: SignOnPlan) -> None:
        """Raise IdentityMismatch for a plan of another reference (CF-OUT-001), or a superseded one (CF-OUT-002)."""
        if plan.reference != self._reference.name or plan.resource != self._target.resource:
            names = {"reference": self._reference.name, "other": plan.reference, "resource": plan.resource}
            raise IdentityMismatch(FOREIGN_PLAN, **names)
        if self.is_superseded(plan):
            # Resolving anew would be for the caller of the moment, who need not be the one whom the handle belongs to.
            raise IdentityMismatch(
                SUPERSEDED_PLAN,
                reference=self._reference.name,
                user=plan.effective_user,
                alias=self._alias_of(plan),
                explanation=plan.explanation,
            )

    def is_superseded(self, plan: SignOnPlan) -> bool:
        """Whether the authentication data that a plan signs on with have changed, or gone, since it was made."""
        alias = self._alias_of(plan)
        if alias is None:
            return False
        newest = self._auth_data.get(alias)
        return newest is None or newest.version > plan.version

    def _alias_of(self, plan: SignOnPlan) -> str | None:
        credential = plan.subject.password_credential(self._target.factory) if plan.subject is not None else None
        return credential.alias if credential is not None else None

    def _require_own_scope(self, scope: Scope) -> None:
        if self._container is not None and scope.container != self._container:
            names = {"reference": self._reference.name, "caller": str(scope.subject.caller)}
            raise ScopeError(ANOTHER_CONTAINERS, **names, other=scope.container, container=self._container)

    def _plan_of(self, caller: Subject | None, request: ConnectionRequestInfo | None) -> SignOnPlan:
        """The plan kept for a caller, or a new one."""
        # Revision (within the key) and generation are read before the plan is made: what overtakes it is not hidden.
        key = self._key(caller, request)
        if key is _NOT_KEPT:
            return self._resolver.resolve(self._reference, self._target, request, caller)
        generation = self._auth_data.generation
        plan = self._cache.get(key, generation)
        if plan is None:
            made = self._resolver.resolve(self._reference, self._target, request, caller)
            plan = self._cache.put(key, generation, made)
        if self._key_of is anybody and self._revision is None and request is None:
            self.for_everybody = (generation, plan)
        return plan

    def _key(self, caller: Subject | None, request: ConnectionRequestInfo | None) -> Hashable:
        """What a plan is kept under; `_NOT_KEPT` for one that must not be."""
        if self._key_of is None or (request is not None and credentials_given(request)):
            return _NOT_KEPT
        key = self._key_of(caller)
        if request is not None:
            key = (key, type(request), request.key())
        if self._revision is None:
            return key
        revision = self._revision()
        return _NOT_KEPT if revision is None else (revision, key)
