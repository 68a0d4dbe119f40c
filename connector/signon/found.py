"""What a sign-on has found, and the plan that is made of it (POOL-1, TRUST-1)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

from connector.signon.reference import ResourceReference, SignOnTarget
from connector.signon.trail import SignOnTrail
from connector.spi import (
    ConnectionRequestInfo,
    Credential,
    IdentityAssertion,
    PasswordCredential,
    SignOnPlan,
    SignOnSource,
    Subject,
)


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of either kind of sign-on.

    Attributes:
        source: The rule that won.
        credential: What the physical connection is opened with; None for factory default and anonymous.
        asserted: The caller to assert on it, or None.
        version: The credential's version in the authentication data; 0 where it comes from elsewhere.
    """

    source: SignOnSource
    credential: Credential | None = None
    asserted: IdentityAssertion | None = None
    version: int = 0


def credentials_given(request: ConnectionRequestInfo | None) -> bool:
    """Whether the application passed a user or a password in the call."""
    return request is not None and (request.user is not None or request.password is not None)


def make_plan(
    trail: SignOnTrail,
    reference: ResourceReference,
    target: SignOnTarget,
    request: ConnectionRequestInfo | None,
    found: Found,
) -> SignOnPlan:
    """The plan, with its two keys. Pure.

    The subject holds the one credential and nothing else: what a factory sees of an identity is exactly what stands in
    the partition, so that a pooled connection can't carry anything of the caller whom it was first made for.
    """
    system = _system_key(found)
    partition = (system, request.key() if request is not None else ())
    # Groups belong to the effective user where they are asserted with it: the external system grants by them.
    effective = (found.asserted.key(), found.asserted.groups) if found.asserted is not None else system
    user = getattr(found.credential, "user", None)
    return SignOnPlan(
        reference=reference.name,
        resource=target.resource,
        source=found.source,
        rejected=trail.rejected,
        subject=_subject(found),
        asserted=found.asserted,
        request=_without_credentials(request),
        partition=partition,
        sharing_key=(effective, partition),
        version=found.version,
        user=user,
        explanation=trail.explanation(_answer(found, user)),
    )


def _system_key(found: Found) -> Hashable:
    if found.credential is None:
        return (found.source.value,)
    return ("credential", found.credential.mechanism, found.credential.key())


def _subject(found: Found) -> Subject | None:
    if found.source is SignOnSource.FACTORY_DEFAULT:
        return None
    return Subject(credentials=() if found.credential is None else (found.credential,), read_only=True)


def _without_credentials(request: ConnectionRequestInfo | None) -> ConnectionRequestInfo | None:
    if request is None or not credentials_given(request):
        return request
    return replace(request, user=None, password=None)


def _answer(found: Found, user: str | None) -> str:
    if found.source is SignOnSource.FACTORY_DEFAULT:
        return "signed on by the factory's own defaults"
    if found.credential is None:
        return "signed on as nobody"
    alias = found.credential.alias if isinstance(found.credential, PasswordCredential) else None
    origin = f" (alias {alias!r}, version {found.version})" if alias is not None else ""
    who = f"user {user!r}" if user is not None else f"a credential of mechanism {found.credential.mechanism}"
    if found.asserted is not None:
        asserted = f"{found.asserted.user}@{found.asserted.realm}" if found.asserted.realm else found.asserted.user
        return f"opened by {who}{origin}, working as {asserted!r}, from {found.source.value}"
    return f"signed on as {who}{origin}, from {found.source.value}"
