"""WSGI: the identity covers the call, each step of the body and its close, and never the server's thread between."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask, Response, stream_with_context
from support_web import Shop, basic_header, call_wsgi, caller, wsgi_environ

from connector import current_subject
from connector.errors import ScopeError
from connector_web import WsgiIdentity, basic, established

Application = Callable[..., Any]


def by_header() -> Any:
    """A source that costs no password check: the test's own header is believed."""
    return established(lambda environ: environ.get("HTTP_X_USER"))


def wrapped(shop: Shop, app: Application, **settings: Any) -> WsgiIdentity:
    return WsgiIdentity(app, shop.container, [by_header()], **settings)


def begin(application: WsgiIdentity, user: str) -> Any:
    """Call as a server does; answers the body."""
    return application(wsgi_environ({"HTTP_X_USER": user}), lambda status, headers, exc_info=None: None)


class Body:
    """A body that notes who is in force at each step."""

    def __init__(self, seen: list[str], steps: int = 2) -> None:
        self.seen = seen
        self.left = steps

    def __iter__(self) -> Body:
        self.seen.append(f"iter {caller()}")
        return self

    def __next__(self) -> bytes:
        self.seen.append(f"next {caller()}")
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"x"

    def close(self) -> None:
        self.seen.append(f"close {caller()}")


def test_the_caller_is_in_force_over_call_steps_and_close_and_not_between_them(shop: Shop) -> None:
    seen: list[str] = []

    def app(environ: Any, start_response: Any) -> Body:
        seen.append(f"call {caller()}")
        return Body(seen)

    body = begin(wrapped(shop, app), "alice")
    between = [caller()]
    for _ in body:
        between.append(caller())
    body.close()
    body.close()
    assert seen == [f"{step} alice@shop" for step in ("call", "iter", "next", "next", "next", "close")]
    assert between == ["none", "none", "none"]


def test_a_server_that_iterates_two_bodies_in_turns_on_one_thread_mixes_nobody_up(shop: Shop) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        for _ in range(3):
            yield caller().encode()

    application = wrapped(shop, app)
    bodies = {user: begin(application, user) for user in ("alice", "bob", "carol")}
    for _ in range(3):
        for user, body in bodies.items():
            assert next(body) == f"{user}@shop".encode()
    bodies["bob"].close()
    assert list(bodies["alice"]) == []
    assert caller() == "none"
    for body in bodies.values():
        body.close()


def test_a_body_may_be_iterated_on_another_thread_than_the_call_was_made_on(shop: Shop) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        yield caller().encode()
        yield caller().encode()

    body = begin(wrapped(shop, app), "alice")
    with ThreadPoolExecutor(1) as other:
        assert next(body) == b"alice@shop"
        assert other.submit(next, body).result() == b"alice@shop"
        other.submit(body.close).result()
        assert other.submit(caller).result() == "none"


def test_an_exception_of_the_call_ends_the_identity_and_goes_on(shop: Shop) -> None:
    kept: list[contextvars.Context] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        kept.append(contextvars.copy_context())
        raise LookupError(caller())

    with pytest.raises(LookupError, match="alice@shop") as raised:
        begin(wrapped(shop, app), "alice")
    with pytest.raises(ScopeError, match="CF-SEC-001"):  # by then, and not once the traceback is forgotten
        kept[0].run(current_subject)
    assert raised.tb is not None
    assert caller() == "none"


@pytest.mark.parametrize("broken", ["step", "close"])
def test_an_exception_of_the_body_ends_the_identity_with_its_close(shop: Shop, broken: str) -> None:
    kept: list[contextvars.Context] = []

    class Broken(Body):
        def __next__(self) -> bytes:
            kept.append(contextvars.copy_context())
            if broken == "step":
                raise LookupError(caller())
            return super().__next__()

        def close(self) -> None:
            if broken == "close":
                raise LookupError(caller())

    body = begin(wrapped(shop, lambda environ, start_response: Broken([])), "alice")
    with pytest.raises(LookupError, match="alice@shop"), contextlib.closing(body):
        list(body)
    with pytest.raises(ScopeError, match="CF-SEC-001"):
        kept[0].run(current_subject)


def test_the_close_of_a_generator_runs_its_finally_as_the_caller(shop: Shop) -> None:
    seen: list[str] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            seen.append(caller())

    body = begin(wrapped(shop, app), "alice")
    next(body)
    body.close()
    assert seen == ["alice@shop"]


def test_a_server_that_forgets_close_signs_nobody_on_for_ever(shop: Shop) -> None:
    kept: list[contextvars.Context] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        kept.append(contextvars.copy_context())
        return [b"x"]

    list(begin(wrapped(shop, app), "alice"))
    gc.collect()
    with pytest.raises(ScopeError, match="CF-SEC-001"):
        kept[0].run(current_subject)


def test_the_request_does_not_inherit_who_is_in_force_on_the_servers_thread(shop: Shop) -> None:
    with shop.container.login("alice", shop.password):
        assert call_wsgi(shop.container, {}, by_header(), nobody="unauthenticated")[::2] == (200, b"unauthenticated")
        assert call_wsgi(shop.container, {"HTTP_X_USER": "bob"}, by_header())[::2] == (200, b"bob@shop")
        assert caller() == "alice@shop"


def test_without_a_credential_the_request_is_refused_with_what_would_help(shop: Shop) -> None:
    status, headers, body = call_wsgi(shop.container, {})
    assert status == 401
    assert headers["WWW-Authenticate"] == 'Basic realm="shop", charset="UTF-8"'
    assert int(headers["Content-Length"]) == len(body)
    assert b"CF-WEB-001" in body


def test_more_look_ups_than_may_wait_are_put_off(shop: Shop) -> None:
    entered, go_on = threading.Event(), threading.Event()

    class SlowContainer:
        """The container with a realm that answers when the test lets it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(shop.container, name)

        def establish(self, principal: Any, groups: Any = ()) -> Any:
            entered.set()
            assert go_on.wait(30)
            return shop.container.establish(principal, groups)

    slow: Any = SlowContainer()
    application = WsgiIdentity(lambda environ, start_response: [caller().encode()], slow, [by_header()], waiting=1)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(lambda: list(begin(application, "alice")))
        assert entered.wait(30)
        assert b"CF-WEB-004" in b"".join(begin(application, "bob"))
        go_on.set()
        assert first.result() == [b"alice@shop"]
    assert list(begin(application, "bob")) == [b"bob@shop"]


# --- Flask --------------------------------------------------------------------------------------------------------


def flask_app(shop: Shop, *sources: Any) -> Flask:
    app = Flask("shop")

    @app.get("/")
    def index() -> str:
        return caller()

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[str]:
            for _ in range(3):
                yield f"{caller()} "

        return Response(stream_with_context(parts()))

    @app.get("/after")
    def after() -> Response:
        answer = Response(caller())
        answer.call_on_close(lambda: app.config["SEEN"].append(caller()))
        return answer

    @app.get("/fails")
    def fails() -> str:
        raise LookupError

    @app.teardown_request
    def torn_down(error: BaseException | None) -> None:
        app.config["SEEN"].append(caller())

    app.config["SEEN"] = []
    app.wsgi_app = WsgiIdentity(app.wsgi_app, shop.container, sources or (by_header(),))  # type: ignore[method-assign]
    return app


@pytest.mark.parametrize(
    ("path", "text"), [("/", "alice@shop"), ("/stream", "alice@shop " * 3), ("/after", "alice@shop")]
)
def test_flask_serves_as_the_caller_up_to_its_last_callback(shop: Shop, path: str, text: str) -> None:
    app = flask_app(shop)
    with app.test_client().get(path, headers={"X-User": "alice"}) as answer:
        assert answer.get_data(as_text=True) == text
    assert set(app.config["SEEN"]) == {"alice@shop"}
    assert caller() == "none"


def test_flask_answers_its_own_errors_and_the_next_request_is_its_own_callers(shop: Shop) -> None:
    client = flask_app(shop).test_client()
    assert client.get("/fails", headers={"X-User": "alice"}).status_code == 500
    assert client.get("/", headers={"X-User": "bob"}).text == "bob@shop"
    assert client.get("/").status_code == 403


def test_flask_with_user_and_password(shop: Shop) -> None:
    client = flask_app(shop, basic()).test_client()
    assert client.get("/", headers=basic_header("alice", shop.password)).text == "alice@shop"
    assert client.get("/", headers=basic_header("alice", "wrong")).status_code == 401


def test_flask_on_many_threads_mixes_nobody_up(shop: Shop) -> None:
    app = flask_app(shop)

    def ask(user: str) -> bool:
        return app.test_client().get("/stream", headers={"X-User": user}).text == f"{user}@shop " * 3

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, ["alice", "bob", "carol", "admin"] * 25))
        assert set(threads.map(lambda _: caller(), range(32))) == {"none"}
