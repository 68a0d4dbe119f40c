"""Which credential of a subject fits a target: its own factory's, of a mechanism that it accepts (SIGN-6)."""

from __future__ import annotations

from collections.abc import Iterator

from connector.security.login_contribution import Describe, described
from connector.signon.reference import SignOnTarget
from connector.spi import Credential, IdentityAssertion, Step, Subject, Verdict, same_factory


def fitting_credential(subject: Subject, target: SignOnTarget) -> tuple[Credential | None, tuple[Step, ...]]:
    """The first credential that fits, and a step for each one considered. Pure.

    A credential of another factory is never used, equal user and password or not (connectors.md 2.3); nor is one of a
    mechanism that the adapter does not accept. What they hold is not shown.
    """
    chosen: Credential | None = None
    steps = []
    for what, credential in _named(subject):
        why = _misfit(credential, target)
        if why is None and chosen is not None:
            why = "an earlier credential fits"
        if why is None:
            chosen = credential
            steps.append(Step(what, Verdict.TAKEN, f"for this resource, mechanism {credential.mechanism}"))
        else:
            steps.append(Step(what, Verdict.REJECTED, why))
    return chosen, tuple(steps)


def describing(target: SignOnTarget) -> Describe:
    """Puts a module's contribution into words, with the resource that it is for. Pure."""

    def describe(given: object) -> str:
        if not isinstance(given, Credential | IdentityAssertion):
            return described(given)
        if given.factory is None:
            owner = "no resource in particular"
        else:
            owner = f"resource {target.resource!r}" if same_factory(given, target.factory) else "another resource"
        return f"{described(given)}, for {owner}"

    return describe


def _named(subject: Subject) -> Iterator[tuple[str, Credential]]:
    for credential in subject.credentials:
        # An assertion is no proof of identity: it is looked at apart, and only beside a credential that fits.
        if not isinstance(credential, IdentityAssertion):
            yield f"credential {type(credential).__name__}", credential


def _misfit(credential: object, target: SignOnTarget) -> str | None:
    if not isinstance(credential, Credential):
        return "it has no mechanism, factory and key, so it is no credential"
    if credential.factory is None:
        return "it names no factory that it is for"
    if not same_factory(credential, target.factory):
        return "it belongs to another factory"
    if credential.mechanism not in target.mechanisms:
        accepted = ", ".join(sorted(target.mechanisms)) or "none"
        return f"its mechanism {credential.mechanism} is not accepted by the adapter (accepted: {accepted})"
    return None
