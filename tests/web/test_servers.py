"""Real servers on loopback: uvicorn with Starlette, werkzeug's own with Flask, client certificates by TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Route
from support_certificates import Authority
from support_web import Shop, basic_header, caller, who
from werkzeug.serving import make_server

from connector_web import AsgiIdentity, WsgiIdentity, basic, certificate


class Uvicorn(uvicorn.Server):
    """A server that tells when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def served_by_uvicorn(app: Any) -> Iterator[str]:
    """The application on a free port."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = Uvicorn(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            assert server.ready.wait(30)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


@contextmanager
def served_by_werkzeug(app: Any, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The application on a free port, each connection on a thread of its own."""
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


def ask(client: httpx2.Client, user: str, password: Any) -> tuple[int, str]:
    answer = client.get("/", headers=basic_header(user, password))
    return answer.status_code, answer.text


def test_uvicorn_serves_each_request_as_its_caller_on_connections_that_are_kept(shop: Shop) -> None:
    app = AsgiIdentity(Starlette(routes=[Route("/", who)]), shop.container, [basic()])
    with served_by_uvicorn(app) as url, httpx2.Client(base_url=url) as client, ThreadPoolExecutor(4) as threads:
        users = ["alice", "bob"] * 4
        answers = list(threads.map(lambda user: ask(client, user, shop.password), users))
        assert answers == [(200, f"{user}@shop buyers,clients") for user in users]
        refused = client.get("/")
        assert (refused.status_code, refused.json()["code"]) == (401, "CF-WEB-001")
        assert ask(client, "alice", "wrong")[0] == 401
    assert {record["details"]["peer"] for record in shop.audited()} == {"127.0.0.1"}


def flask_app(shop: Shop, source: Any) -> Flask:
    app = Flask("shop")
    app.get("/")(caller)
    app.wsgi_app = WsgiIdentity(app.wsgi_app, shop.container, [source])  # type: ignore[method-assign]
    return app


def test_werkzeug_serves_each_request_as_its_caller(shop: Shop) -> None:
    with served_by_werkzeug(flask_app(shop, basic())) as port:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client, ThreadPoolExecutor(4) as threads:
            users = ["alice", "bob"] * 4
            answers = list(threads.map(lambda user: ask(client, user, shop.password), users))
            assert answers == [(200, f"{user}@shop") for user in users]
            assert ask(client, "alice", "wrong")[0] == 401


def test_a_client_certificate_that_the_server_verified_is_the_caller(shop: Shop, tmp_path: Path) -> None:
    authority = Authority()
    for name, host in (("server", "127.0.0.1"), ("alice", "alice")):
        pem, key = authority.issue(host)
        (tmp_path / name).write_bytes(pem + key)
    (tmp_path / "ca").write_bytes(authority.pem)
    of_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_server.load_cert_chain(tmp_path / "server")
    of_server.load_verify_locations(tmp_path / "ca")
    of_server.verify_mode = ssl.CERT_OPTIONAL
    of_alice = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    nobody = ssl.create_default_context(cafile=str(tmp_path / "ca"))
    of_alice.load_cert_chain(tmp_path / "alice")
    with served_by_werkzeug(flask_app(shop, certificate(server_verifies=True)), of_server) as port:
        for context, expected in ((of_alice, (200, "alice@shop")), (nobody, (403, None))):
            with httpx2.Client(base_url=f"https://127.0.0.1:{port}", verify=context) as client:
                answer = client.get("/")
                assert (answer.status_code, answer.text if expected[1] else None) == expected
