"""Fronts over HTTP, by configuration only: each request is a message under its caller (DEMO-3, FLOW-3)."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support_container import ProfileFolder

from connector import Container
from connector.errors import ConfigError, LoginRefused, Reason
from connector_http.answer import answer_of, refusal_of
from connector_http.request import credentials_of, is_cross_site
from connector_http.settings import read_front

DESCRIPTOR = """
[application]
handlers = ["connector.endpoint.forwarding"]
[roles.user]
groups = ["clients"]
[references."jms/bus"]
bind = "jms/shop"
res_auth = "Container"
login = "TrustedConnectionMapping"
alias = "shop-applications"
[activations."http/front"]
bind = "http/orders"
concurrency = 4
"""

RESOURCE = """
[resources."http/orders"]
adapter = "http"
kind = "activation"
properties = { listen = "127.0.0.1:0", path = "/orders", destination = "orders", max_body = "10KB" }

[applications]
"""


class Client:
    """Requests to the front."""

    def __init__(self, container: Container, password: str) -> None:
        adapter: Any = container._parts.adapters["http"]
        (self.front,) = adapter._fronts.values()
        self._password = password

    def ask(
        self,
        body: object,
        user: str | None = "alice",
        *,
        password: str | None = None,
        path: str = "/orders",
        method: str = "POST",
        kind: str = "application/json",
        authorization: str | None = None,
    ) -> tuple[int, http.client.HTTPMessage, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.front.port, timeout=30)
        headers = {"Content-Type": kind}
        if user is not None:
            said = f"{user}:{self._password if password is None else password}"
            headers["Authorization"] = f"Basic {base64.b64encode(said.encode()).decode()}"
        if authorization is not None:
            headers["Authorization"] = authorization
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        told = json.loads(text) if response.headers.get("Content-Type") == "application/json" else text
        return response.status, response.headers, told


@pytest.fixture
def profile_with_front(profile: ProfileFolder) -> ProfileFolder:
    (profile.folder / "front.toml").write_text(DESCRIPTOR)
    profile.edit("[applications]\n", f'{RESOURCE.lstrip()}front = "front.toml"\n')
    return profile


@pytest.fixture
def client(profile_with_front: ProfileFolder) -> Iterator[Client]:
    with profile_with_front.open() as container:
        yield Client(container, profile_with_front.password.reveal())


def test_a_request_goes_round_the_whole_circle_as_its_caller(client: Client, profile_with_front: ProfileFolder) -> None:
    status, headers, told = client.ask({"item": "tea"})
    assert (status, told) == (200, {"taken": "tea"})
    assert headers["Cache-Control"] == "no-store"
    assert profile_with_front.rows() == [("alice", "tea")]


def test_who_says_nothing_or_a_wrong_password_is_asked_for_one(client: Client) -> None:
    for user, password in ((None, None), ("alice", "guess"), ("nobody", "guess")):
        status, headers, told = client.ask({"item": "tea"}, user, password=password)
        if user is None:
            assert status == 403  # nobody is in no role
            continue
        assert status == 401
        assert headers["WWW-Authenticate"].startswith('Basic realm="shop"')
        assert told["error"]["code"] == "CF-SEC-010"


def test_a_caller_without_the_role_is_refused_with_the_code(client: Client) -> None:
    status, _, told = client.ask({"item": "tea"}, "admin")
    assert (status, told["error"]["code"]) == (403, "CF-ENDP-010")


def test_a_refusal_further_on_is_one_as_well(client: Client) -> None:
    status, _, told = client.ask({"item": "tea"}, "carol")  # a client of the bus, but no buyer
    assert status == 403
    assert "CF-ENDP-010" in told["error"]["text"]


@pytest.mark.parametrize("said", ["Bearer x", "Basic !", "Basic YWxpY2U=", "Basic YWxpY2U6"])
def test_credentials_that_are_none_are_told(client: Client, said: str) -> None:
    status, _, told = client.ask({"item": "tea"}, None, authorization=said)
    assert (status, told["error"]["code"]) == (401, "CF-HTTP-010")


def test_what_is_not_served_is_not_found_and_only_posts_are_taken(client: Client) -> None:
    assert client.ask({}, path="/other")[0] == 404
    assert client.ask(b"", method="GET")[:2][0] == 405
    assert client.ask(b"{", kind="application/json")[0] == 400
    assert client.ask(b"x" * 20_000, kind="text/plain")[0] == 413


def test_a_paused_front_says_come_again(profile_with_front: ProfileFolder) -> None:
    with profile_with_front.open() as container:
        client = Client(container, profile_with_front.password.reveal())
        assert client.ask({"item": "tea"})[0] == 200
        container.activation("front:http/front").pause()
        with pytest.raises(ConnectionRefusedError):
            client.ask({"item": "tea"})


def test_it_is_added_and_taken_away_while_the_container_runs(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert "http" not in container._parts.adapters
        (profile.folder / "front.toml").write_text(DESCRIPTOR)
        profile.edit("[applications]\n", f'{RESOURCE.lstrip()}front = "front.toml"\n')
        report = container.configuration.reload()
        assert report is not None
        client = Client(container, profile.password.reveal())
        assert client.ask({"item": "tea"})[0] == 200


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"listen": "nowhere"}, "CF-HTTP-001"),
        ({"listen": "127.0.0.1:80", "path": "orders"}, "CF-HTTP-002"),
        ({"listen": "0.0.0.0:80"}, "CF-HTTP-003"),
        ({"listen": "front.example:80"}, "CF-HTTP-003"),
    ],
)
def test_mistakes_are_told(properties: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError, match=code):
        read_front("http/orders", properties)


def test_a_proxy_may_stand_elsewhere_where_it_is_said() -> None:
    assert read_front("r", {"listen": "0.0.0.0:80", "behind_tls_proxy": True}).port == 80
    assert read_front("r", {"listen": "[::1]:80"}).host == "::1"


def test_no_error_of_somebody_else_is_told() -> None:
    refusal = refusal_of(ValueError("swordfish"), "shop", ran=True)
    assert refusal.status.startswith("500")
    assert b"swordfish" not in refusal.body
    assert answer_of(None).status == "204 No Content"
    assert credentials_of({}) is None


@pytest.mark.parametrize(
    ("environ", "cross"),
    [
        ({}, False),
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, False),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, True),
        ({"HTTP_ORIGIN": "https://front.example", "HTTP_HOST": "front.example"}, False),
        ({"HTTP_ORIGIN": "https://evil.example", "HTTP_HOST": "front.example"}, True),
        ({"HTTP_ORIGIN": "null", "HTTP_HOST": "front.example"}, True),
    ],
)
def test_what_a_browser_brings_from_another_site_is_told(environ: dict[str, str], cross: bool) -> None:
    assert is_cross_site(environ) is cross


def test_the_service_s_own_sign_on_is_no_concern_of_the_client() -> None:
    refused = LoginRefused(Reason("CF-TEST-HTTP-001", "the user secret-service was refused", ""))
    assert refusal_of(refused, "shop", ran=False).status.startswith("401")
    answer = refusal_of(refused, "shop", ran=True)
    assert answer.status.startswith("502")
    assert b"secret-service" not in answer.body


def test_no_more_are_delivered_at_once_than_the_activation_says(profile_with_front: ProfileFolder) -> None:
    descriptor = profile_with_front.folder / "front.toml"
    descriptor.write_text(descriptor.read_text().replace("concurrency = 4", "concurrency = 1"))
    with profile_with_front.open() as container:
        client = Client(container, profile_with_front.password.reveal())
        with ThreadPoolExecutor(4) as several:
            answers = [each.result()[0] for each in [several.submit(client.ask, {"item": "tea"}) for _ in range(4)]]
    assert answers == [200] * 4
