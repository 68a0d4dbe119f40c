"""The whole circle from the web: who sends the request is who the database works for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from flask import Flask
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from support_container import ProfileFolder
from support_secrets import MARKER
from support_web import basic_header

from connector import Container
from connector.errors import SignOnError
from connector_web import AsgiIdentity, WsgiIdentity, basic
from weather_postgresql import PostgreSQLServer

pytestmark = pytest.mark.postgresql

SCHEMA = f"""
CREATE ROLE alice NOLOGIN;
CREATE ROLE bob NOLOGIN;
CREATE ROLE shop_pool LOGIN NOINHERIT PASSWORD '{MARKER}';
GRANT alice, bob TO shop_pool WITH INHERIT FALSE, SET TRUE;
CREATE TABLE notes (what text NOT NULL, who name NOT NULL DEFAULT current_user);
GRANT SELECT, INSERT ON notes TO alice, bob;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_notes ON notes USING (who = current_user);
"""

WHO = text("SELECT current_user || ' by ' || session_user")


@pytest.fixture(scope="module")
def prepared(postgresql: PostgreSQLServer) -> PostgreSQLServer:
    postgresql.run_sql(SCHEMA)
    return postgresql


@pytest.fixture
def container(profile: ProfileFolder, prepared: PostgreSQLServer) -> Iterator[Container]:
    """The shop with one trusted connection: whoever comes next gets the one before's."""
    profile.vault.put("shop-pool", "shop_pool", profile.password)
    profile.edit(
        "[applications]",
        '[resources."jdbc/notes"]\nadapter = "sql"\n'
        f'properties = {{ url = "postgresql+psycopg://{prepared.host}:{prepared.port}/postgres" }}\n'
        'pool = { max_size = 1, connection_timeout = "30s" }\n\n[applications]',
    )
    profile.edit(
        '[references."jms/shop"]',
        '[references."jdbc/notes"]\nbind = "jdbc/notes"\nres_auth = "Container"\n'
        'login = "TrustedConnectionMapping"\nalias = "shop-pool"\n\n[references."jms/shop"]',
        descriptor=True,
    )
    with profile.open() as running:
        yield running


def flask_app(container: Container, **settings: Any) -> Flask:
    app = Flask("notes")
    notes = container.application("shop").lookup("jdbc/notes")

    @app.get("/")
    def who() -> str:
        with notes.get_connection() as connection:
            return str(connection.execute(WHO).scalar_one())

    app.wsgi_app = WsgiIdentity(app.wsgi_app, container, [basic()], **settings)  # type: ignore[method-assign]
    return app


def starlette_app(container: Container) -> AsgiIdentity:
    notes = container.application("shop").lookup("jdbc/notes")

    def blocking(request: Request) -> PlainTextResponse:
        with notes.get_connection() as connection:
            return PlainTextResponse(str(connection.execute(WHO).scalar_one()))

    async def asynchronous(request: Request) -> PlainTextResponse:
        async with notes.get_async_connection() as connection:
            await connection.execute(text("INSERT INTO notes (what) VALUES (:what)"), {"what": request.method})
            await connection.commit()
            await asyncio.sleep(0)
            owners = (await connection.execute(text("SELECT DISTINCT who FROM notes"))).scalars().all()
            return PlainTextResponse(" ".join(owners))

    return AsgiIdentity(
        Starlette(routes=[Route("/blocking", blocking), Route("/async", asynchronous)]), container, [basic()]
    )


def test_user_and_password_of_a_request_end_as_current_user_of_the_database(
    container: Container, profile: ProfileFolder
) -> None:
    client = flask_app(container).test_client()
    for user in ("alice", "bob", "alice"):
        assert client.get("/", headers=basic_header(user, profile.password)).text == f"{user} by shop_pool"
    assert container.status()["resources"]["jdbc/notes"]["pool"]["created"] == 1


def test_threads_that_serve_alice_and_bob_at_once_never_get_each_others_rights(
    container: Container, profile: ProfileFolder
) -> None:
    app = flask_app(container)

    def ask(user: str) -> str:
        return app.test_client().get("/", headers=basic_header(user, profile.password)).text

    with ThreadPoolExecutor(4) as threads:
        users = ["alice", "bob"] * 6
        assert list(threads.map(ask, users)) == [f"{user} by shop_pool" for user in users]


@pytest.mark.parametrize(("path", "answer"), [("/blocking", "{} by shop_pool"), ("/async", "{}")])
def test_one_loop_that_serves_alice_and_bob_at_once_never_gives_them_each_others_rights(
    container: Container, profile: ProfileFolder, path: str, answer: str
) -> None:
    async def serve() -> list[str]:
        transport = httpx2.ASGITransport(starlette_app(container))
        async with httpx2.AsyncClient(transport=transport, base_url="http://shop") as client:
            asked = (client.get(path, headers=basic_header(user, profile.password)) for user in users)
            answers = [response.text for response in await asyncio.gather(*asked)]
        container.close()  # on the loop itself: its connections are closed as it goes on
        return answers

    users = ["alice", "bob"] * 6
    assert asyncio.run(serve()) == [answer.format(user) for user in users]


def test_a_request_of_nobody_reaches_no_database(container: Container) -> None:
    app = flask_app(container, nobody="unauthenticated")
    app.testing = True
    with pytest.raises(SignOnError):
        app.test_client().get("/")
