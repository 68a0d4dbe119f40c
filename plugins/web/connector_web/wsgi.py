"""WSGI middleware: each request runs as its caller, its body's generator included (FLOW-4, PEP 3333)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from contextvars import Context, copy_context
from http import HTTPStatus
from typing import Any, final

from connector.spi import Subject
from connector_web.container import IdentityContainer
from connector_web.gate import Gate, origin_of
from connector_web.proof import Source
from connector_web.refusal import Refusal
from connector_web.request import ClientCertificate, WebRequest

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


@final
class WsgiIdentity:
    """Runs a WSGI application's requests as their callers.

    The identity is in force while the application is called, while its body is iterated and while the body is closed,
    and never between: then the thread is the server's, and may iterate another request's body. It ends with `close`,
    which servers call in any case. The thread itself is never given an identity: each request has a context of its own.

    Args:
        app: The application.
        container: The running container; see `IdentityContainer`.
        sources: `basic()`, `bearer(…)`, `certificate(…)`, `established(…)`: the first that finds something decides.
        nobody: What becomes of a request that presents nothing: `refuse` (401) or `unauthenticated`.
        retry_after: What `Retry-After` says while the registry is away, in seconds.
        waiting: How many look-ups of callers may be under way; more requests are answered 503.

    Raises ConfigError (CF-WEB-040). Safe to use from any thread.
    """

    def __init__(
        self,
        app: Application,
        container: IdentityContainer,
        sources: Sequence[Source],
        *,
        nobody: str = "refuse",
        retry_after: int = 5,
        waiting: int = 64,
    ) -> None:
        self._app = app
        self._gate = Gate(container, sources, nobody=nobody, retry_after=retry_after, checks=1, waiting=waiting)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request. Blocks as long as the realm and the application do; raises what the application raises."""
        request = request_of(environ)
        caller = self._gate.caller_of(request)
        if isinstance(caller, Refusal):
            status = f"{caller.status} {HTTPStatus(caller.status).phrase}"
            start_response(status, caller.headers)
            return [caller.body]
        body = _BodyUnderIdentity(self._gate.container, caller, origin_of(request))
        body.begin(self._app, environ, start_response)
        return body

    def __repr__(self) -> str:
        return f"<WsgiIdentity {self._gate!r}>"


@final
class _BodyUnderIdentity:
    """One request's scope, and its body: every step of both runs in the one context that the scope was opened in.

    A scope that was simply held open from the call to `close` would stay on the server's thread between the steps, and
    the generator of another request that is iterated there would find it. Used by one thread at a time, as PEP 3333 has
    it, which need not be the same one.
    """

    # Mutable state: `_iterable`, `_steps` (None until the first step) and `_ended`.

    def __init__(self, container: IdentityContainer, caller: Subject, origin: str) -> None:
        self._context: Context = copy_context()
        self._login: AbstractContextManager[Any] = container.run_as(caller, origin=origin)
        self._iterable: Iterable[bytes] = ()
        self._steps: Iterator[bytes] | None = None
        self._ended = True

    def begin(self, app: Application, environ: Environ, start_response: StartResponse) -> None:
        """Call the application. Raises what it raises; the identity has then ended."""
        self._context.run(self._login.__enter__)
        self._ended = False
        try:
            self._iterable = self._context.run(app, environ, start_response)
        except BaseException:
            self._end()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._steps is None:
            self._steps = self._context.run(iter, self._iterable)
        return self._context.run(next, self._steps)

    def close(self) -> None:
        """Close the application's body under the identity, then end that. Raises what the body's `close` raises."""
        close = getattr(self._iterable, "close", None)
        try:
            if close is not None and not self._ended:
                self._context.run(close)
        finally:
            self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._context.run(self._login.__exit__, None, None, None)


def request_of(environ: Mapping[str, Any]) -> WebRequest:
    """The request that a WSGI environ describes. Pure."""
    headers = {
        key.removeprefix("HTTP_").lower().replace("_", "-"): (str(value),)
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    path = str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))
    return WebRequest(
        kind="http",
        method=str(environ.get("REQUEST_METHOD", "")),
        path=path,
        secure=environ.get("wsgi.url_scheme") == "https",
        peer=str(environ.get("REMOTE_ADDR", "")) or "unix",
        headers=headers,
        certificate=_certificate(environ),
        native=environ,
    )


def _certificate(environ: Mapping[str, Any]) -> ClientCertificate | None:
    """What Apache's mod_ssl and those that follow it say; no header can get there, they all begin with HTTP_."""
    pem = environ.get("SSL_CLIENT_CERT") or None
    verdict = environ.get("SSL_CLIENT_VERIFY") or None
    if pem is None and verdict in (None, "NONE"):
        return None
    return ClientCertificate(pem, verified=None if verdict is None else verdict == "SUCCESS")
