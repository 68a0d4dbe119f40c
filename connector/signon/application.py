"""Application-managed sign-on: the first source that has user and password wins (SIGN-1).

==== =================== ============================ =================== ==================================
rank source              has nothing                  has it whole        is wrong
==== =================== ============================ =================== ==================================
1    call arguments      neither user nor password    both                one without the other
2    component alias     no alias named               alias known         alias named and unknown
3    resource properties neither user nor password    both                one without the other
4    factory default     (never)                      always              (never)
==== =================== ============================ =================== ==================================

A source that has nothing is passed over; one that has it whole wins, and the ones below it are not asked. A wrong one
ends the matter: to skip it would sign the application on as somebody else than it or its deployer named.
"""

from __future__ import annotations

from typing import NamedTuple

from connector.errors import Reason
from connector.signon.callback_handler import AliasLookup
from connector.signon.found import Found
from connector.signon.reference import SignOnTarget
from connector.signon.trail import SignOnTrail
from connector.spi import ConnectionRequestInfo, PasswordCredential, Secret, SignOnSource

HALF_A_CREDENTIAL = Reason(
    "CF-SIGN-001",
    "reference {reference!r} to resource {resource!r}: {source}: {half}.",
    "Give user and password together, in one place; they are never mixed from two sources.",
)
COMPONENT_ALIAS_UNKNOWN = Reason(
    "CF-SIGN-002",
    "reference {reference!r}: the component alias {alias!r} of resource {resource!r} is not in the "
    "authentication data.",
    "Add it with `connector auth-data set`, or correct `component_alias`; a named alias is never skipped.",
)
PASSWORD_NOT_ACCEPTED = Reason(
    "CF-SIGN-003",
    "reference {reference!r}: {source}: resource {resource!r} accepts no user and password (its mechanisms: "
    "{mechanisms}).",
    "Use container-managed sign-on with a login configuration that yields such a credential.",
)

_NOT_GIVEN = {
    SignOnSource.CALL_ARGUMENTS: "no user and password in the call",
    SignOnSource.COMPONENT_ALIAS: "the resource names no component alias",
    SignOnSource.RESOURCE_PROPERTIES: "the resource has no user and password properties",
}


class _Given(NamedTuple):
    """What one source gives, as it stands there."""

    source: SignOnSource
    user: str | None
    password: Secret | None
    alias: str | None = None
    version: int = 0


def application_sign_on(
    trail: SignOnTrail, target: SignOnTarget, request: ConnectionRequestInfo | None, lookup: AliasLookup
) -> Found:
    """Find the credential of an application-managed sign-on; notes each source on the trail. Does not block.

    Raises:
        SignOnError: a source is wrong (see the table), or the resource does not accept passwords (SIGN-6).
    """
    given = _call_arguments(request)
    if not _is_whole(trail, given):
        given = _component_alias(trail, target, lookup)
        if not _is_whole(trail, given):
            given = _resource_properties(target)
            if not _is_whole(trail, given):
                trail.take(SignOnSource.FACTORY_DEFAULT, "no source has a credential: the adapter is asked without")
                return Found(SignOnSource.FACTORY_DEFAULT)
    return _found(trail, target, given)


def _call_arguments(request: ConnectionRequestInfo | None) -> _Given:
    if request is None:
        return _Given(SignOnSource.CALL_ARGUMENTS, None, None)
    return _Given(SignOnSource.CALL_ARGUMENTS, request.user, request.password)


def _component_alias(trail: SignOnTrail, target: SignOnTarget, lookup: AliasLookup) -> _Given:
    alias = target.component_alias
    if alias is None:
        return _Given(SignOnSource.COMPONENT_ALIAS, None, None)
    data = lookup(alias)
    if data is None:
        raise trail.refuse(COMPONENT_ALIAS_UNKNOWN, SignOnSource.COMPONENT_ALIAS.value, alias=alias)
    return _Given(SignOnSource.COMPONENT_ALIAS, data.user, data.password, alias, data.version)


def _resource_properties(target: SignOnTarget) -> _Given:
    return _Given(SignOnSource.RESOURCE_PROPERTIES, target.user, target.password)


def _is_whole(trail: SignOnTrail, given: _Given) -> bool:
    """True for user and password, False for neither; raises for anything between."""
    source = given.source
    if given.user is None and given.password is None:
        trail.reject(source, _NOT_GIVEN[source])
        return False
    if given.user and given.password is not None:
        return True
    if given.user is None:
        half = "a password without a user"
    else:
        half = "a user without a password" if given.user else "an empty user"
    raise trail.refuse(HALF_A_CREDENTIAL, source.value, source=source.value, half=half)


def _found(trail: SignOnTrail, target: SignOnTarget, given: _Given) -> Found:
    source, user, password, alias, version = given
    assert user is not None
    assert password is not None
    credential = PasswordCredential(user, password, target.factory, alias, version)
    if credential.mechanism not in target.mechanisms:
        mechanisms = ", ".join(sorted(target.mechanisms)) or "none"
        raise trail.refuse(PASSWORD_NOT_ACCEPTED, source.value, source=source.value, mechanisms=mechanisms)
    trail.take(source, f"user {user!r}" if alias is None else f"user {user!r} of alias {alias!r}, version {version}")
    _note_outranked(trail, target, source)
    return Found(source, credential, version=version)


def _note_outranked(trail: SignOnTrail, target: SignOnTarget, winner: SignOnSource) -> None:
    """Deployers ask most about the source that they configured and that did not win."""
    why = f"outranked by {winner.value}"
    if winner is SignOnSource.CALL_ARGUMENTS and target.component_alias is not None:
        trail.reject(SignOnSource.COMPONENT_ALIAS, why)
    properties = target.user is not None or target.password is not None
    if winner is not SignOnSource.RESOURCE_PROPERTIES and properties:
        trail.reject(SignOnSource.RESOURCE_PROPERTIES, why)
