"""Finding out who calls: the part that ASGI and WSGI share (FLOW-3)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Final, final

from connector.errors import AuthenticationFailed, ConfigError, Reason, SubjectRejected
from connector.spi import AuditEvent, Outcome, Principal, Subject, UserPrincipal
from connector_web.authorization import authorization
from connector_web.container import IdentityContainer
from connector_web.decision import Finding, Happened, Nobody, decide
from connector_web.proof import Caller, Password, Source
from connector_web.refusal import CALLER_NOT_ADMITTED, CredentialRefused, Refusal
from connector_web.request import WebRequest

NOBODY_UNKNOWN = Reason(
    "CF-WEB-040",
    "{found!r} is not what can become of a request that presents nothing.",
    "Say `refuse` or `unauthenticated`.",
)
UNCLAIMED = Reason(
    "CF-WEB-041",
    "the request has an Authorization of a scheme, or a token of an issuer, that none of the sources takes.",
    "Configure a source for it, or have the client leave it out.",
)
TOO_MANY_CHECKS = Reason(
    "CF-WEB-042",
    "{waiting} callers are being looked up already.",
    "Allow more of them, if processor and registry can bear it.",
)

#: What the container's realm says of users; all else that a registry raises is an outage, and refuses nobody.
_REFUSALS: Final = frozenset({"CF-SEC-010", "CF-SEC-011"})

_log = logging.getLogger("connector.web")


@final
class Gate:
    """Finds out who calls, by sources in order, and records it. Safe to use from any thread and any loop.

    Args:
        container: Whose realm is asked, and whose audit log is told.
        sources: Where identities come from; the first that finds something decides.
        nobody: What becomes of a request that presents nothing: `refuse` (401) or `unauthenticated`.
        retry_after: What `Retry-After` says while the registry is away, in seconds.
        checks: How many callers are looked up at once by requests on event loops, on threads of the gate's own.
        waiting: How many look-ups may be under way, waiting ones included; more are answered 503.

    Raises ConfigError (CF-WEB-040).
    """

    # Mutable state: `_places`, how many look-ups may still begin, and the executor's threads; both guard themselves.

    def __init__(
        self,
        container: IdentityContainer,
        sources: Sequence[Source],
        *,
        nobody: str,
        retry_after: int,
        checks: int,
        waiting: int,
    ) -> None:
        if nobody not in {one.value for one in Nobody}:
            raise ConfigError(NOBODY_UNKNOWN, found=nobody)
        self._container = container
        self._sources = tuple(sources)
        self._nobody = Nobody(nobody)
        self._retry_after = retry_after
        self._waiting = waiting
        self._places = BoundedSemaphore(waiting)
        # Not the loop's own executor: strangers could fill that with passwords. Its threads end with the gate.
        self._executor = ThreadPoolExecutor(checks, thread_name_prefix="connector-web")

    @property
    def container(self) -> IdentityContainer:
        """The container."""
        return self._container

    def caller_of(self, request: WebRequest) -> Subject | Refusal:
        """Who calls, or what to answer instead. Blocks for the registry; raises what sources and registry raise."""
        found = self._read(request)
        if not isinstance(found, Finding):
            source, proof = found
            if not self._places.acquire(blocking=False):
                found = self._full(source)
            else:
                try:
                    found = self._prove(request, source, proof)
                finally:
                    self._places.release()
        return self._concluded(request, found)

    async def caller_of_async(self, request: WebRequest) -> Subject | Refusal:
        """The same without blocking the loop: passwords and registry are asked on another thread."""
        found = self._read(request)
        if not isinstance(found, Finding):
            source, proof = found
            if not self._places.acquire(blocking=False):
                found = self._full(source)
            else:
                under_way = self._submit(lambda: self._prove(request, source, proof))
                found = await asyncio.wrap_future(under_way)
        return self._concluded(request, found)

    def _submit(self, look_up: Callable[[], Finding]) -> Future[Finding]:
        try:
            under_way = self._executor.submit(look_up)
        except BaseException:
            self._places.release()
            raise
        # Also where the request was cancelled before a thread took it up; not before the thread is done with it.
        under_way.add_done_callback(lambda _: self._places.release())
        return under_way

    def _read(self, request: WebRequest) -> Finding | tuple[Source, Password | Caller]:
        """What the first source that finds something finds; without asking anybody."""
        for source in self._sources:
            try:
                proof = source.read(request)
            except CredentialRefused as error:
                return self._refused(request, source, error)
            if proof is None:
                continue
            if isinstance(proof, Password):
                left = proof.throttle.seconds_left(request.peer, proof.user)
                if left is not None:
                    return Finding(
                        Happened.THROTTLED,
                        source.name,
                        str(UserPrincipal(proof.user, self._container.realm)),
                        retry_after=left,
                    )
            return source, proof
        try:
            presented = authorization(request)
        except CredentialRefused as error:
            return Finding(Happened.UNCLAIMED, code=error.code)
        if presented is None:
            return Finding(Happened.NOTHING)
        _log.info(
            "%s: %s: %s", request.what, UNCLAIMED.code, UNCLAIMED.text
        )  # never the header: it may be a bare token
        name = next((source.name for source in self._sources if source.scheme == presented[0]), "")
        return Finding(Happened.UNCLAIMED, name, code=UNCLAIMED.code)

    def _prove(self, request: WebRequest, source: Source, proof: Password | Caller) -> Finding:
        """Ask the realm. Blocks."""
        if isinstance(proof, Password):
            return self._logged_in(request, source, proof)
        caller = UserPrincipal(proof.name, self._container.realm if proof.realm is None else proof.realm)
        try:
            subject = self._container.establish(caller, proof.groups)
        except SubjectRejected as error:
            _log.info("%s: %s", request.what, error)
            return Finding(Happened.NOT_ADMITTED, source.name, str(caller), error.code)
        except AuthenticationFailed as error:
            return self._failed(request, source, caller, error, Happened.NOT_ADMITTED)
        if not subject.is_authenticated:  # a source that names nobody: not to be served as if it had found nothing
            return Finding(Happened.NOT_ADMITTED, source.name, str(caller), CALLER_NOT_ADMITTED.code)
        return Finding(Happened.ESTABLISHED, source.name, str(subject.caller), subject=subject)

    def _logged_in(self, request: WebRequest, source: Source, proof: Password) -> Finding:
        user = UserPrincipal(proof.user, self._container.realm)
        try:
            subject = self._container.login(proof.user, proof.password).subject
        except AuthenticationFailed as error:
            finding = self._failed(request, source, user, error, Happened.REFUSED)
            if finding.happened is Happened.REFUSED:
                proof.throttle.failed(request.peer, proof.user)
            return finding
        proof.throttle.succeeded(request.peer, proof.user)
        return Finding(Happened.ESTABLISHED, source.name, str(subject.caller), subject=subject)

    def _failed(
        self, request: WebRequest, source: Source, who: Principal, error: AuthenticationFailed, refusal: Happened
    ) -> Finding:
        if error.code in _REFUSALS:
            return Finding(refusal, source.name, str(who), error.code)
        _log.error("%s: it can't be found out who calls: %s", request.what, error)
        return Finding(Happened.UNAVAILABLE, source.name, str(who), error.code)

    def _refused(self, request: WebRequest, source: Source, error: CredentialRefused) -> Finding:
        _log.info("%s: %s", request.what, error)
        return Finding(Happened.REFUSED, source.name, code=error.code)

    def _full(self, source: Source) -> Finding:
        _log.error("%s: %s", source.name, TOO_MANY_CHECKS.text.format(waiting=self._waiting))
        return Finding(Happened.UNAVAILABLE, source.name, code=TOO_MANY_CHECKS.code, retry_after=1)

    def _concluded(self, request: WebRequest, finding: Finding) -> Subject | Refusal:
        outcome = decide(
            finding, self._nobody, self._sources, realm=self._container.realm, retry_after=self._retry_after
        )
        self._container.audit.record(_event(request, finding, outcome))
        return outcome

    def __repr__(self) -> str:
        return f"<Gate to realm {self._container.realm}: {', '.join(source.name for source in self._sources)}>"


def origin_of(request: WebRequest) -> str:
    """Where a request's identity comes from, in words, for its scope."""
    return f"web request {request.what}"


def _event(request: WebRequest, finding: Finding, outcome: Subject | Refusal) -> AuditEvent:
    """The line of the audit log. Pure."""
    details = {"source": finding.source, "peer": request.peer}
    if isinstance(outcome, Refusal):
        details["status"] = str(outcome.status)
        code = finding.code or outcome.reason.code
        ended = Outcome.FAILURE if finding.happened is Happened.UNAVAILABLE else Outcome.DENIED
        return AuditEvent("web-request", finding.who or "unknown", request.what, ended, code, details)
    return AuditEvent("web-request", str(outcome.caller), request.what, Outcome.SUCCESS, finding.source, details)
