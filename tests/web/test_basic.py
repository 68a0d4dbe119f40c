"""HTTP basic: the container's own realm is asked, and tells nobody who exists."""

from __future__ import annotations

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_web import ContainerWithoutRegistry, Shop, WebClock, basic_header, call_wsgi, client_of

from connector import Secret
from connector_web import basic
from connector_web.asgi import request_of
from connector_web.basic import BasicSource
from connector_web.refusal import CredentialRefused
from connector_web.throttle import Throttle


def read_header(value: str) -> object:
    return basic().read(request_of({"type": "http", "headers": [(b"authorization", value.encode("latin-1"))]}))


def test_user_and_password_make_the_caller_with_the_groups_of_the_realm(shop: Shop) -> None:
    answer = client_of(shop.container).get("/", headers=basic_header("alice", shop.password))
    assert (answer.status_code, answer.text) == (200, "alice@shop buyers,clients")


def test_the_same_for_wsgi(shop: Shop) -> None:
    header = basic_header("bob", shop.password)["Authorization"]
    assert call_wsgi(shop.container, {"HTTP_AUTHORIZATION": header})[::2] == (200, b"bob@shop")


@pytest.mark.parametrize("user", ["alice", "mallory"])
def test_a_wrong_password_and_an_unknown_user_are_answered_alike(shop: Shop, user: str) -> None:
    answer = client_of(shop.container).get("/", headers=basic_header(user, "wrong"))
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="shop", charset="UTF-8"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json()["code"] == "CF-WEB-002"
    assert user not in answer.text
    (record,) = shop.audited()
    assert (record["outcome"], record["who"], record["reason"]) == ("denied", f"{user}@shop", "CF-SEC-010")
    assert record["details"] == {"source": "basic", "peer": "testclient", "status": "401"}


def test_an_empty_password_is_refused_without_asking_the_realm(shop: Shop) -> None:
    answer = client_of(shop.container).get("/", headers=basic_header("alice", ""))
    assert (answer.status_code, answer.json()["code"]) == (401, "CF-WEB-002")
    assert [record["reason"] for record in shop.audited()] == ["CF-WEB-012"]
    assert shop.audited("login") == []


def test_a_success_is_audited_with_source_and_request_but_without_the_query(shop: Shop) -> None:
    client_of(shop.container).get("/?token=abc", headers=basic_header("alice", shop.password))
    (record,) = shop.audited()
    assert (record["outcome"], record["who"], record["resource"]) == ("success", "alice@shop", "GET /")


@pytest.mark.parametrize("client", ["asgi", "wsgi"])
def test_a_registry_that_is_away_refuses_nobody(shop: Shop, client: str) -> None:
    container = ContainerWithoutRegistry(shop.container)
    header = basic_header("alice", shop.password)
    if client == "asgi":
        answer = client_of(container, retry_after=7).get("/", headers=header)
        status, headers, body = answer.status_code, answer.headers, answer.content
    else:
        environ = {"HTTP_AUTHORIZATION": header["Authorization"]}
        status, plain, body = call_wsgi(container, environ, retry_after=7)
        headers = plain  # type: ignore[assignment]  # both have `[]` and `in`
    assert (status, headers["Retry-After"]) == (503, "7")
    assert "WWW-Authenticate" not in headers
    assert b"CF-WEB-004" in body
    assert [(record["outcome"], record["reason"]) for record in shop.audited()] == [("failure", "CF-TEST-751")]


def test_an_outage_does_not_count_as_a_wrong_password(shop: Shop) -> None:
    client = client_of(ContainerWithoutRegistry(shop.container), basic(failures=1))
    answers = [client.get("/", headers=basic_header("alice", "any")).status_code for _ in range(3)]
    assert answers == [503, 503, 503]


def test_after_some_wrong_passwords_the_address_is_not_listened_to_for_that_user(shop: Shop) -> None:
    clock = WebClock()
    client = client_of(shop.container, basic(failures=2, within=30.0, clock=clock))
    for _ in range(2):
        assert client.get("/", headers=basic_header("alice", "wrong")).status_code == 401
    right = client.get("/", headers=basic_header("alice", shop.password))
    assert (right.status_code, right.headers["Retry-After"], right.json()["code"]) == (429, "30", "CF-WEB-005")
    assert client.get("/", headers=basic_header("bob", shop.password)).status_code == 200
    clock.now += 30
    assert client.get("/", headers=basic_header("alice", shop.password)).status_code == 200
    assert [record["reason"] for record in shop.audited() if record["details"].get("status") == "429"] == ["CF-WEB-005"]


def test_unknown_users_are_slowed_down_as_known_ones_are(shop: Shop) -> None:
    client = client_of(shop.container, basic(failures=1, clock=WebClock()))
    answers = [client.get("/", headers=basic_header("mallory", "guess")).status_code for _ in range(2)]
    assert answers == [401, 429]


def test_a_right_password_makes_the_count_begin_anew() -> None:
    throttle = Throttle(2, 60.0, WebClock())
    throttle.failed("peer", "alice")
    throttle.succeeded("peer", "alice")
    throttle.failed("peer", "alice")
    assert throttle.seconds_left("peer", "alice") is None
    throttle.failed("peer", "alice")
    assert throttle.seconds_left("peer", "alice") == 60
    assert throttle.seconds_left("elsewhere", "alice") is None


def test_wrong_passwords_are_counted_anew_once_their_time_is_over() -> None:
    clock = WebClock()
    throttle = Throttle(2, 60.0, clock)
    for _ in range(2):
        for _ in range(2):
            assert throttle.seconds_left("peer", "alice") is None
            throttle.failed("peer", "alice")
        assert throttle.seconds_left("peer", "alice") == 60
        clock.now += 60


def test_who_mistypes_now_and_then_is_not_slowed_down(shop: Shop) -> None:
    client = client_of(shop.container, basic(failures=2, clock=WebClock()))
    passwords: list[Secret | str] = ["wrong", shop.password, "wrong", shop.password]
    answers = [client.get("/", headers=basic_header("alice", password)).status_code for password in passwords]
    assert answers == [401, 200, 401, 200]


def test_the_memory_of_wrong_passwords_is_bounded() -> None:
    throttle = Throttle(1, 60.0, WebClock())
    for number in range(10_001):
        throttle.failed("peer", str(number))
    assert throttle.seconds_left("peer", "0") is None
    assert throttle.seconds_left("peer", "10000") == 60


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b":password").decode(),
        "Basic " + base64.b64encode(b"al\nice:password").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:password").decode(),
        "Basic " + base64.b64encode(b"a" * 256 + b":password").decode(),
    ],
)
def test_a_header_that_is_not_user_and_password_is_refused(shop: Shop, header: str) -> None:
    with pytest.raises(CredentialRefused, match="CF-WEB-011"):
        read_header(header)
    answer = client_of(shop.container, nobody="unauthenticated").get("/", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "CF-WEB-002")


@given(
    user=st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=":"), min_size=1, max_size=40),
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
)
def test_any_user_and_password_arrive_as_they_were_sent(user: str, password: str) -> None:
    proof = read_header(basic_header(user, password)["Authorization"])
    assert proof is not None
    assert (proof.user, proof.password.reveal()) == (user, password)  # type: ignore[attr-defined]


@given(header=st.text(st.characters(max_codepoint=255), max_size=60))
def test_no_header_raises_anything_but_a_refusal(header: str) -> None:
    with contextlib.suppress(CredentialRefused):
        read_header(f"Basic {header}")


def test_two_headers_are_refused_since_a_proxy_may_have_looked_at_the_other_one(shop: Shop) -> None:
    header = basic_header("alice", shop.password)["Authorization"]
    client = client_of(shop.container, nobody="unauthenticated")
    answer = client.get("/", headers=[("Authorization", header), ("Authorization", header)])
    assert answer.status_code == 401
    assert [record["reason"] for record in shop.audited()] == ["CF-WEB-010"]


def test_a_password_without_tls_from_another_machine_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    source = basic()
    scope = {"type": "http", "method": "GET", "path": "/in", "client": ("192.0.2.7", 4000), "scheme": "http"}
    headers = [(b"authorization", basic_header("alice", "any")["Authorization"].encode())]
    for _ in range(2):
        source.read(request_of({**scope, "headers": headers}))
    assert [r.message for r in caplog.records] == ["a password came without TLS, as far as the server knows: GET /in"]
    caplog.clear()
    basic().read(request_of({**scope, "scheme": "https", "headers": headers}))
    assert caplog.records == []


def test_nothing_shows_the_password() -> None:
    source: BasicSource = basic()
    request = request_of(
        {"type": "http", "headers": [(b"authorization", basic_header("a", "hidden-one")["Authorization"].encode())]}
    )
    shown = repr(request) + repr(source.read(request)) + repr(source)
    assert "hidden-one" not in shown
    assert base64.b64encode(b"a:hidden-one").decode() not in shown
