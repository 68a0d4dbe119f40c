"""ASGI: the identity is in force for exactly the request, whatever becomes of it (FLOW-4)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocket
from support_web import Shop, basic_header, caller, client_of, who

from connector import current_subject
from connector.errors import ConfigError, ScopeError
from connector_web import AsgiIdentity, Caller, basic, established


def as_header(user: str) -> dict[str, str]:
    return {"X-User": user}


def by_header() -> Any:
    """A source that costs no password check: the test's own header is believed."""
    return established(lambda scope: dict(scope["headers"]).get(b"x-user", b"").decode())


def app(*routes: Any, **options: Any) -> Starlette:
    return Starlette(routes=list(routes), **options)


async def call(application: Any, user: str, path: str = "/") -> list[Any]:
    """Call an ASGI application in the running task; answers what it sent."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": path, "headers": [(b"x-user", user.encode())], "query_string": b"",
    }  # fmt: skip
    await application(scope, receive, send)
    return sent


def test_without_a_credential_the_request_is_refused_or_nobodys_as_the_middleware_is_set(shop: Shop) -> None:
    refused = client_of(shop.container).get("/")
    assert (refused.status_code, refused.json()["code"]) == (401, "CF-WEB-001")
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="shop", charset="UTF-8"'
    assert client_of(shop.container, nobody="unauthenticated").get("/").text == "unauthenticated"
    assert [(record["outcome"], record["reason"]) for record in shop.audited()] == [
        ("denied", "CF-WEB-001"),
        ("success", ""),
    ]


def test_another_setting_than_these_two_is_a_mistake(shop: Shop) -> None:
    with pytest.raises(ConfigError, match="CF-WEB-040"):
        client_of(shop.container, nobody="anonymous")


def test_a_request_of_nobody_does_not_inherit_who_started_the_server(shop: Shop) -> None:
    async def serve() -> str:
        with shop.container.login("alice", shop.password):
            wrapped = AsgiIdentity(app(Route("/", who)), shop.container, [by_header()], nobody="unauthenticated")
            sent = await call(wrapped, "")
            return str(sent[1]["body"].decode())

    assert asyncio.run(serve()) == "unauthenticated"


def test_endpoints_that_block_run_on_another_thread_as_the_same_caller(shop: Shop) -> None:
    def blocking(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{caller()} {threading.current_thread() is threading.main_thread()}")

    client = client_of(shop.container, by_header(), app=app(Route("/", blocking)))
    assert client.get("/", headers=as_header("alice")).text == "alice@shop False"


def test_a_streamed_body_is_made_as_the_caller(shop: Shop) -> None:
    async def asynchronous(request: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            for _ in range(3):
                await asyncio.sleep(0)
                yield f"{caller()} "

        return StreamingResponse(parts())

    def blocking(request: Request) -> Response:
        def parts() -> Iterator[str]:
            for _ in range(3):
                yield f"{caller()} "

        return StreamingResponse(parts())

    client = client_of(shop.container, by_header(), app=app(Route("/a", asynchronous), Route("/b", blocking)))
    for path in ("/a", "/b"):
        assert client.get(path, headers=as_header("bob")).text == "bob@shop " * 3


def test_background_tasks_run_as_the_caller_after_the_answer(shop: Shop) -> None:
    seen: list[str] = []

    async def endpoint(request: Request) -> Response:
        tasks = BackgroundTasks([BackgroundTask(lambda: seen.append(caller()))])
        tasks.add_task(asyncio.sleep, 0)
        tasks.add_task(run_in_threadpool, lambda: seen.append(caller()))
        return PlainTextResponse("done", background=tasks)

    client_of(shop.container, by_header(), app=app(Route("/", endpoint))).get("/", headers=as_header("alice"))
    assert seen == ["alice@shop", "alice@shop"]


def test_after_an_exception_nobody_is_in_force_and_the_exception_goes_on(shop: Shop) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise LookupError(caller())

    async def serve() -> str:
        with pytest.raises(LookupError, match="alice@shop"):
            await call(AsgiIdentity(fails, shop.container, [by_header()]), "alice")
        return caller()

    assert asyncio.run(serve()) == "none"


def test_a_request_that_is_cancelled_ends_its_identity_also_for_what_it_left_running(shop: Shop) -> None:
    left: list[asyncio.Task[Any]] = []
    go_on = asyncio.Event()
    entered = asyncio.Event()

    async def later() -> object:
        await go_on.wait()
        return current_subject()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        left.append(asyncio.create_task(later()))
        entered.set()
        await asyncio.Event().wait()

    async def serve() -> object:
        serving = asyncio.create_task(call(AsgiIdentity(waits, shop.container, [by_header()]), "alice"))
        await entered.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        go_on.set()
        return (await asyncio.gather(*left, return_exceptions=True))[0]

    outcome = asyncio.run(serve())
    assert isinstance(outcome, ScopeError)
    assert "CF-SEC-001" in str(outcome)


def test_a_client_that_leaves_in_the_middle_of_a_stream_ends_the_identity(shop: Shop) -> None:
    ended: list[str] = []

    async def endless(request: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            try:
                while True:
                    await asyncio.sleep(0)
                    yield caller()
            finally:
                ended.append(caller())

        return StreamingResponse(parts())

    async def serve() -> str:
        sent: list[Any] = []
        gone = asyncio.Event()

        async def receive() -> Any:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) == 4:
                gone.set()

        wrapped = AsgiIdentity(app(Route("/", endless)), shop.container, [by_header()])
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-user", b"alice")], "query_string": b"",
                 "asgi": {"spec_version": "2.0"}}  # fmt: skip
        await wrapped(scope, receive, send)
        return caller()

    assert asyncio.run(serve()) == "none"
    assert ended == ["alice@shop"]


def test_hundreds_of_requests_mixed_up_on_one_loop_never_see_one_another(shop: Shop) -> None:
    async def mixed(scope: Any, receive: Any, send: Any) -> None:
        wanted = dict(scope["headers"])[b"x-user"].decode()
        for step in range(5):
            await asyncio.sleep(0)
            assert caller() == f"{wanted}@shop", step
            inner = await asyncio.create_task(asyncio.to_thread(caller))
            assert inner == f"{wanted}@shop"
        await send({"done": wanted})

    async def serve() -> list[str]:
        wrapped = AsgiIdentity(mixed, shop.container, [by_header()], waiting=1000)
        users = ["alice", "bob", "carol", "admin"] * 50
        answers = await asyncio.gather(*(call(wrapped, user) for user in users))
        assert [answer[0]["done"] for answer in answers] == users
        return [caller()]

    assert asyncio.run(serve()) == ["none"]


def test_more_look_ups_at_once_than_may_wait_are_put_off_and_refused_to_nobody(shop: Shop) -> None:
    async def fine(scope: Any, receive: Any, send: Any) -> None:
        await send({"status": 200})

    entered, go_on = threading.Event(), threading.Event()

    class SlowContainer:
        """The container with a realm that answers when the test lets it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.container, name)

        def establish(self, principal: Any, groups: Any = ()) -> Any:
            entered.set()
            assert go_on.wait(30)
            return shop.container.establish(principal, groups)

    async def serve() -> list[Any]:
        slow: Any = SlowContainer()
        wrapped = AsgiIdentity(fine, slow, [by_header()], checks=1, waiting=2)
        first = [asyncio.create_task(call(wrapped, "alice")) for _ in range(2)]
        await asyncio.to_thread(entered.wait, 30)
        refused = await call(wrapped, "bob")
        first[1].cancel()  # waits for a thread: its place is free at once
        await asyncio.gather(first[1], return_exceptions=True)
        third = asyncio.create_task(call(wrapped, "carol"))
        await asyncio.sleep(0)
        go_on.set()
        return [refused[0], (await first[0])[0], (await third)[0]]

    refused, *served = asyncio.run(serve())
    assert refused["status"] == 503
    assert (b"retry-after", b"1") in refused["headers"]
    assert served == [{"status": 200}, {"status": 200}]
    assert "CF-WEB-042" in [record["reason"] for record in shop.audited()]


def test_the_loop_goes_on_while_a_password_is_checked(shop: Shop) -> None:
    looked_up_on: list[bool] = []

    class WatchedContainer:
        """The container, noting on which thread it is asked."""

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.container, name)

        def login(self, user: str, password: Any) -> Any:
            looked_up_on.append(threading.current_thread().name.startswith("connector-web"))
            return shop.container.login(user, password)

    answer = client_of(WatchedContainer(), basic()).get("/", headers=basic_header("alice", shop.password))
    assert answer.text.startswith("alice@shop")
    assert looked_up_on == [True]


def test_the_lifespan_runs_without_an_identity_and_its_tasks_are_nobody_afterwards(shop: Shop) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        seen.append(caller())
        yield
        seen.append(caller())

    application = app(Route("/", who), lifespan=lifespan)
    with client_of(shop.container, by_header(), app=application) as client:
        assert client.get("/", headers=as_header("alice")).text.startswith("alice@shop")
    assert seen == ["none", "none"]


# --- websockets ---------------------------------------------------------------------------------------------------


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for _ in websocket.iter_text():
        await websocket.send_text(caller())


def test_a_websocket_is_its_callers_for_as_long_as_it_lasts(shop: Shop) -> None:
    client = client_of(shop.container, by_header(), app=app(WebSocketRoute("/", echo)))
    with client.websocket_connect("/", headers=as_header("alice")) as first:
        with client.websocket_connect("/", headers=as_header("bob")) as second:
            for socket, expected in ((first, "alice"), (second, "bob"), (first, "alice")):
                socket.send_text("who?")
                assert socket.receive_text() == f"{expected}@shop"
    assert [record["resource"] for record in shop.audited()] == ["WEBSOCKET /", "WEBSOCKET /"]


def test_a_websocket_without_a_caller_is_answered_instead_of_accepted(shop: Shop) -> None:
    client = client_of(shop.container, app=app(WebSocketRoute("/", echo)))
    with pytest.raises(WebSocketDenialResponse) as denied, client.websocket_connect("/"):
        pass
    assert denied.value.status_code == 401
    assert denied.value.json()["code"] == "CF-WEB-001"
    assert denied.value.headers["WWW-Authenticate"].startswith("Basic")


def test_where_the_server_can_not_answer_a_websocket_it_is_closed_against_the_policy(shop: Shop) -> None:
    wrapped = AsgiIdentity(app(WebSocketRoute("/", echo)), shop.container, [basic()])

    async def serve() -> list[Any]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await wrapped({"type": "websocket", "path": "/", "headers": []}, receive, send)
        return sent

    assert asyncio.run(serve()) == [{"type": "websocket.close", "code": 1008}]


# --- established callers ------------------------------------------------------------------------------------------


def test_a_caller_whom_the_application_has_authenticated_keeps_realm_and_groups(shop: Shop) -> None:
    sources = {
        "alice": established(lambda scope: "alice"),
        "paula": established(lambda scope: Caller.of("paula", "partner", ["dealers"])),
        "petra": established(lambda scope: Caller("petra"), realm="partner"),
    }
    texts = {user: client_of(shop.container, source).get("/").text for user, source in sources.items()}
    assert texts == {"alice": "alice@shop buyers,clients", "paula": "paula@partner dealers", "petra": "petra@partner"}


def test_an_established_caller_without_a_name_is_forbidden_and_not_nobody(shop: Shop) -> None:
    source = established(lambda scope: Caller(""))
    answer = client_of(shop.container, source, nobody="unauthenticated").get("/")
    assert (answer.status_code, answer.json()["code"]) == (403, "CF-WEB-003")


def test_what_the_function_raises_reaches_the_server_and_nobody_is_served(shop: Shop) -> None:
    def broken(scope: Any) -> str:
        raise KeyError("session")

    client = client_of(shop.container, established(broken), server_errors=False, nobody="unauthenticated")
    assert client.get("/").status_code == 500


def test_the_first_source_that_finds_something_decides(shop: Shop) -> None:
    client = client_of(shop.container, by_header(), basic())
    both = {**as_header("bob"), **basic_header("alice", "wrong")}
    assert client.get("/", headers=both).text.startswith("bob@shop")
    assert client.get("/", headers=basic_header("alice", shop.password)).text.startswith("alice@shop")
