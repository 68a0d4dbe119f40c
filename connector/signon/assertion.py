"""The identity to be asserted on a trusted connection: one, for this resource, and vouched for (TRUST-1)."""

from __future__ import annotations

from connector.errors import Reason
from connector.signon.reference import SignOnTarget
from connector.signon.trail import SignOnTrail
from connector.spi import Capability, Credential, IdentityAssertion, Subject, same_factory

ASSERTION_UNSUPPORTED = Reason(
    "CF-SIGN-013",
    "reference {reference!r}: login configuration {login!r} asserts an identity, but the adapter of resource "
    "{resource!r} can't switch identities.",
    "Use a resource whose adapter has the capability `identity-switch`, or another login configuration.",
)
ASSERTION_UNVOUCHED = Reason(
    "CF-SIGN-014",
    "reference {reference!r} to resource {resource!r}, {caller}: login configuration {login!r} asserts an identity "
    "without the credential of a trusted user to assert it with.",
    "A mapping module must yield both; give the reference the `alias` of a trusted user.",
)
ASSERTION_UNCLEAR = Reason(
    "CF-SIGN-015",
    "reference {reference!r} to resource {resource!r}, {caller}: login configuration {login!r} asserts {count} "
    "identities, {ours} of them for this resource.",
    "A chain must assert at most one, made with the factory of the ManagedConnectionFactoryCallback.",
)


def asserted_identity(
    trail: SignOnTrail, subject: Subject, credential: Credential | None, target: SignOnTarget, login: str
) -> IdentityAssertion | None:
    """The identity to assert, or None where the chain asserts none. Pure but for the trail.

    An assertion that is not clearly meant for this resource is refused, not skipped: without it the connection would
    work as the trusted user itself, who may be anybody. For the same reason `on_no_credential` does not apply here:
    nobody has declared the factory's default user a trusted one.

    Raises:
        SignOnError: more than one assertion or one for another factory; no fitting credential beside it; an adapter
            that can't switch identities.
    """
    assertions = subject.credentials_of(IdentityAssertion)
    if not assertions:
        return None
    ours = [one for one in assertions if same_factory(one, target.factory)]
    what = "asserted identity"
    if len(assertions) > 1 or not ours:
        raise trail.refuse(ASSERTION_UNCLEAR, what, login=login, count=len(assertions), ours=len(ours))
    if credential is None:
        raise trail.refuse(ASSERTION_UNVOUCHED, what, login=login)
    if Capability.IDENTITY_SWITCH not in target.capabilities:
        raise trail.refuse(ASSERTION_UNSUPPORTED, what, login=login)
    return ours[0]
