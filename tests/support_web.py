"""Web applications for tests, their callers, and a container that they run in."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from joserfc.jws import JWSRegistry
from joserfc.registry import HeaderParameter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from support_container import ProfileFolder

from connector import Container, Secret, current_subject
from connector.errors import AuthenticationFailed, Reason
from connector.spi import AuditLog, Principal, Subject
from connector_web import AsgiIdentity, WsgiIdentity, basic
from connector_web.proof import Source

REGISTRY_AWAY = Reason("CF-TEST-751", "the directory does not answer.", "Wait.")

ISSUER = "https://issuer.example"
AUDIENCE = "shop-api"
NOW = 1_800_000_000.0


class Shop:
    """A running container, its users' password and its audit log."""

    def __init__(self, container: Container, profile: ProfileFolder) -> None:
        self.container = container
        self.profile = profile
        self.password = profile.password
        self._seen = 0

    def forget(self) -> None:
        """The audit log begins here."""
        self._seen = len(self._lines())

    def audited(self, action: str = "web-request") -> list[dict[str, Any]]:
        """The records of one action since then."""
        records = [json.loads(line) for line in self._lines()[self._seen :]]
        return [record for record in records if record["action"] == action]

    def _lines(self) -> list[str]:
        path = self.container.state_folder / "audit.log"
        return path.read_text().splitlines() if path.exists() else []


class WebClock:
    """A clock that stands until it is put forward."""

    def __init__(self) -> None:
        self.now = NOW

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class ContainerWithoutRegistry:
    """The container, while the registry of its realm does not answer."""

    def __init__(self, container: Container) -> None:
        self._container = container

    @property
    def realm(self) -> str:
        return self._container.realm

    @property
    def audit(self) -> AuditLog:
        return self._container.audit

    def login(self, user: str, password: str | Secret) -> Any:
        raise AuthenticationFailed(REGISTRY_AWAY)

    def establish(self, caller: Principal, groups: Iterable[str] = ()) -> Subject:
        raise AuthenticationFailed(REGISTRY_AWAY)

    def run_as(self, subject: Subject, *, origin: str = "run-as") -> AbstractContextManager[Any]:
        return self._container.run_as(subject, origin=origin)


def caller() -> str:
    """Who is in force here, as text."""
    subject = current_subject()
    return "none" if subject is None else str(subject.caller)


async def who(request: Request) -> PlainTextResponse:
    """An endpoint that says who calls, and the caller's groups."""
    subject = current_subject()
    groups = "" if subject is None else ",".join(sorted(subject.groups))
    return PlainTextResponse(f"{caller()} {groups}".strip())


def client_of(
    container: Any, *sources: Source, app: Any = None, server_errors: bool = True, **settings: Any
) -> TestClient:
    """A client of an application behind the middleware; by default of one that says who calls."""
    inner = app if app is not None else Starlette(routes=[Route("/", who)])
    wrapped = AsgiIdentity(inner, container, sources or (basic(),), **settings)
    return TestClient(wrapped, raise_server_exceptions=server_errors)


def call_wsgi(
    container: Any, environ: Mapping[str, Any], *sources: Source, app: Any = None, **settings: Any
) -> tuple[int, dict[str, str], bytes]:
    """Call a WSGI application behind the middleware once, as a server does."""
    wrapped = WsgiIdentity(app if app is not None else wsgi_who, container, sources or (basic(),), **settings)
    said: list[Any] = []
    body = wrapped(wsgi_environ(environ), lambda status, headers, exc_info=None: said.extend((status, headers)))
    try:
        content = b"".join(body)
    finally:
        getattr(body, "close", lambda: None)()
    return int(said[0].split()[0]), dict(said[1]), content


def wsgi_environ(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a server hands to an application."""
    return {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "REMOTE_ADDR": "127.0.0.1", "wsgi.url_scheme": "http", **changes}


def wsgi_who(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
    """An application that says who calls."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [caller().encode()]


def basic_header(user: str, password: Secret | str) -> dict[str, str]:
    """The header that a browser sends."""
    text = password.reveal() if isinstance(password, Secret) else password
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{text}".encode()).decode()}


class Issuer:
    """Who signs tokens; its public keys are `jwks`."""

    def __init__(self, kid: str = "one") -> None:
        self.key = ECKey.generate_key("P-256", {"kid": kid})

    @property
    def jwks(self) -> Any:
        return KeySet([self.key]).as_dict(private=False)

    def token(self, *, header: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token for alice, good for a minute; a claim that is None is left out."""
        said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": int(NOW) + 60, **claims}
        named = {"alg": "ES256", "kid": self.key.kid, **(header or {})}
        claims = {name: value for name, value in said.items() if value is not None}
        known = {"vendor": HeaderParameter("an extension of the issuer's own", "str")}
        registry = JWSRegistry(known, algorithms=["ES256"], strict_check_header=False)
        return jwt.encode(named, claims, self.key, registry=registry)


def bearer_header(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}
