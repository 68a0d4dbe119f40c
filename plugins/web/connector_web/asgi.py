"""ASGI middleware: each HTTP request and websocket runs as its caller, for exactly as long as it lasts (FLOW-4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, final

from connector_web.container import IdentityContainer
from connector_web.gate import Gate, origin_of
from connector_web.proof import Source
from connector_web.refusal import Refusal
from connector_web.request import ClientCertificate, WebRequest

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: How a websocket is closed where the server can't send an answer in its place: against the policy (RFC 6455, 7.4.1).
_POLICY = 1008


@final
class AsgiIdentity:
    """Runs an ASGI application's requests as their callers.

    The identity is in force from before the application is called until the call returns, raises or is cancelled: over
    streamed bodies, background tasks that the framework awaits within it, and a whole websocket. What a request leaves
    running afterwards is refused (CF-SEC-001). Two requests on one loop never see one another's. `lifespan` and
    what else is no request passes through, without an identity of ours.

    Args:
        app: The application.
        container: The running container; see `IdentityContainer`.
        sources: `basic()`, `bearer(…)`, `certificate(…)`, `established(…)`: the first that finds something decides.
        nobody: What becomes of a request that presents nothing: `refuse` (401) or `unauthenticated`.
        retry_after: What `Retry-After` says while the registry is away, in seconds.
        checks: How many callers are looked up at once, on threads of the middleware's own.
        waiting: How many look-ups may be under way, waiting ones included; more requests are answered 503.

    Raises ConfigError (CF-WEB-040). For asyncio; safe to use from several loops.
    """

    def __init__(
        self,
        app: Application,
        container: IdentityContainer,
        sources: Sequence[Source],
        *,
        nobody: str = "refuse",
        retry_after: int = 5,
        checks: int = 4,
        waiting: int = 64,
    ) -> None:
        self._app = app
        self._gate = Gate(container, sources, nobody=nobody, retry_after=retry_after, checks=checks, waiting=waiting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope. Does not block the loop; raises what the application raises."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = request_of(scope)
        caller = await self._gate.caller_of_async(request)
        if isinstance(caller, Refusal):
            await _answer(caller, scope, receive, send)
            return
        with self._gate.container.run_as(caller, origin=origin_of(request)):
            await self._app(scope, receive, send)

    def __repr__(self) -> str:
        return f"<AsgiIdentity {self._gate!r}>"


def request_of(scope: Scope) -> WebRequest:
    """The request that an ASGI scope describes. Pure."""
    headers: dict[str, tuple[str, ...]] = {}
    for name, value in scope.get("headers", ()):
        key = name.decode("latin-1").lower()
        headers[key] = (*headers.get(key, ()), value.decode("latin-1"))
    kind = scope["type"]
    client = scope.get("client")
    return WebRequest(
        kind=kind,
        method=scope.get("method", "WEBSOCKET"),
        path=scope.get("path", ""),
        secure=scope.get("scheme") in ("https", "wss"),
        peer=(client[0] if client else "") or "unix",
        headers=headers,
        certificate=_certificate(scope),
        native=scope,
    )


def _certificate(scope: Scope) -> ClientCertificate | None:
    """What the extension `tls` says: a chain or a name for a certificate, an error for one that can't be believed."""
    tls = (scope.get("extensions") or {}).get("tls")
    if not tls:
        return None
    chain = tuple(tls.get("client_cert_chain") or ())
    error = tls.get("client_cert_error")
    if not chain and not tls.get("client_cert_name") and not error:
        return None
    return ClientCertificate(chain[0] if chain else None, verified=not error)


async def _answer(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in refusal.headers]
    prefix = ""
    if scope["type"] == "websocket":
        await receive()  # the connect that this answers
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": _POLICY})
            return
        prefix = "websocket."
    await send({"type": f"{prefix}http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": f"{prefix}http.response.body", "body": refusal.body})
