"""Container-managed sign-on: a login configuration turns the caller into a credential (SIGN-2)."""

from __future__ import annotations

from collections.abc import Mapping

from connector.errors import ConnectorError, Reason
from connector.security.login_chain import ChainFailed, ChainResult, run_chain
from connector.security.login_configuration import LoginConfiguration
from connector.signon.assertion import asserted_identity
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.signon.fitting import describing, fitting_credential
from connector.signon.found import Found, credentials_given
from connector.signon.reference import OnNoCredential, ResourceReference, SignOnTarget
from connector.signon.trail import SignOnTrail
from connector.spi import ConnectionRequestInfo, Credential, LoginFailed, SignOnSource, Subject

CONFIGURATION_UNKNOWN = Reason(
    "CF-SIGN-010",
    "reference {reference!r} to resource {resource!r}: there is no login configuration {login!r}.",
    "Correct `login` of the reference. Known: {known}.",
)
CHAIN_FAILED = Reason(
    "CF-SIGN-011",
    "reference {reference!r} to resource {resource!r}, {caller}: module {module!r} of login configuration {login!r} "
    "failed: {text}.",
    "{advice}",
)
CHAIN_UNDECIDED = Reason(
    "CF-SIGN-017",
    "reference {reference!r} to resource {resource!r}, {caller}: module {module!r} of login configuration {login!r} "
    "could not decide now: {text}.",
    "{advice}",
)
NO_CREDENTIAL = Reason(
    "CF-SIGN-012",
    "reference {reference!r} to resource {resource!r}, {caller}: login configuration {login!r} yielded no credential: "
    "{why}.",
    "Give the reference an `alias` or another login configuration; `on_no_credential` says what else may be done.",
)

_INSTEAD = {
    OnNoCredential.FACTORY_DEFAULT: Found(SignOnSource.FACTORY_DEFAULT),
    OnNoCredential.ANONYMOUS: Found(SignOnSource.ANONYMOUS),
}


def container_sign_on(
    trail: SignOnTrail,
    handler: SignOnCallbackHandler,
    reference: ResourceReference,
    target: SignOnTarget,
    request: ConnectionRequestInfo | None,
    configurations: Mapping[str, LoginConfiguration],
) -> Found:
    """Run the reference's login configuration and take what fits the target. Blocks as long as its modules do.

    Raises:
        SignOnError: no such configuration; the chain failed; no credential fits and the reference says `fail`; an
            assertion that is refused (see `assertion`).
    """
    if credentials_given(request):
        trail.reject(
            SignOnSource.CALL_ARGUMENTS, "credentials in the call are not used in place of the mapping (SIGN-2)"
        )
    configuration = configurations.get(reference.login)
    if configuration is None:
        known = ", ".join(sorted(configurations)) or "none"
        what = SignOnSource.LOGIN_CONFIGURATION.value
        raise trail.refuse(CONFIGURATION_UNKNOWN, what, login=reference.login, known=known)
    subject, silence = _run(trail, configuration, handler, target)
    credential, steps = fitting_credential(subject, target)
    trail.add(*steps)
    why = silence or "; ".join(f"{step.what}: {step.why}" for step in steps) or "its modules put none into the subject"
    asserted = asserted_identity(trail, subject, credential, target, reference.login)
    if credential is None:
        return _without_credential(trail, reference, why)
    version = _version(credential, handler)
    acting = f", asserting {asserted.user!r}" if asserted is not None else ""
    trail.take(SignOnSource.LOGIN_CONFIGURATION, f"{reference.login}{acting}")
    return Found(SignOnSource.LOGIN_CONFIGURATION, credential, asserted, version)


def _run(
    trail: SignOnTrail, configuration: LoginConfiguration, handler: SignOnCallbackHandler, target: SignOnTarget
) -> tuple[Subject, str]:
    """The chain's subject; where no module had anything to say, an empty one and the words for it."""
    outcome = _outcome(configuration, handler, target)
    trail.add(outcome.step)
    if isinstance(outcome, ChainResult):
        return outcome.subject, ""
    if outcome.module is None:
        # All ignored is a failure of the chain (JAAS), but no refusal: nobody objected, so the reference decides.
        return Subject(read_only=True), outcome.error.text
    # An outage behind the module says nothing about the caller: whoever reads the audit log must see the difference.
    undecided = bool(getattr(outcome.error, "retryable", False))
    refused = trail.refuse(
        CHAIN_UNDECIDED if undecided else CHAIN_FAILED,
        f"login configuration {configuration.name}",
        login=configuration.name,
        module=outcome.module,
        text=_told(outcome.error),
        advice=outcome.error.action or "Correct what the module needs, or use another login configuration.",
    )
    refused.retryable = undecided
    raise refused


def _told(error: LoginFailed | ConnectorError) -> str:
    """The module's own words, after its code where it has one that they don't begin with."""
    code, text = getattr(error, "code", ""), error.text.rstrip(".")
    return text if not code or text.startswith(code) else f"{code}: {text}"


def _outcome(
    configuration: LoginConfiguration, handler: SignOnCallbackHandler, target: SignOnTarget
) -> ChainResult | ChainFailed:
    """The chain's result or failure, as values: an error raised from an `except` block would carry its context."""
    try:
        return run_chain(configuration, handler, describe=describing(target))
    except ChainFailed as failed:
        return failed


def _without_credential(trail: SignOnTrail, reference: ResourceReference, why: str) -> Found:
    found = _INSTEAD.get(reference.on_no_credential)
    if found is None:
        what = SignOnSource.LOGIN_CONFIGURATION.value
        raise trail.refuse(NO_CREDENTIAL, what, login=reference.login, why=why)
    trail.reject(SignOnSource.LOGIN_CONFIGURATION, f"{reference.login}: {why}")
    trail.take(found.source, f"the reference says on_no_credential = {reference.on_no_credential.value!r}")
    return found


def _version(credential: Credential, handler: SignOnCallbackHandler) -> int:
    """The credential's own version; a module that passes the alias on but no version still read one."""
    version = int(getattr(credential, "version", 0))
    alias = getattr(credential, "alias", None)
    return version or (handler.versions.get(alias, 0) if alias is not None else 0)
