"""Ports: a message becomes a request of a real HTTP service, and its answer the reply (BUS-1, BUS-11)."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support_bus import REALM, World, running, start_world, weather_bus
from support_certificates import Authority

from connector.errors import AccessDenied, ConfigError
from connector.spi import Message, ServerPrincipal, UserPrincipal


@dataclass
class Asked:
    """One request as the service saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    """An HTTP service on a free port: says what it is told to, and remembers what it was asked."""

    status: int = 200
    kind: str = "application/json"
    body: bytes = b'{"sky": "grey"}'
    location: str = ""
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(service: Service, wrap: Callable[[Any], Any] | None = None) -> Iterator[Service]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            service.asked.append(Asked(self.command, self.path, headers, body))
            self.send_response(service.status)
            self.send_header("Content-Type", service.kind)
            self.send_header("Content-Length", str(len(service.body)))
            if service.location:
                self.send_header("Location", service.location)
            self.end_headers()
            self.wfile.write(service.body)

        do_POST = do_PUT = do_GET = answer  # noqa: N815 - names of the server's own

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if wrap is not None:
        server.socket = wrap(server.socket)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    service.url = f"{'http' if wrap is None else 'https'}://127.0.0.1:{server.server_address[1]}/weather"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(Service()) as started:
        yield started


def with_port(service: Service, more: dict[str, Any] | None = None, **port: Any) -> dict[str, Any]:
    destination = {"type": "port", "port": {"url": service.url, **port}, **(more or {})}
    return {
        "weather": weather_bus(destinations={"http": destination, "replies": {}, "closed": {"inherit_defaults": False}})
    }


@contextmanager
def world_with(folder: Path, service: Service, more: dict[str, Any] | None = None, **port: Any) -> Iterator[World]:
    aliases = {"service": ("weather-user", "weather-pw")}
    with running(folder, with_port(service, more, **port), aliases=aliases) as world:
        yield world


def send(world: World, body: Any, **options: Any) -> str:
    with world.connect("alice") as connection:
        sent = connection.send("http", body, **options)
    world.works.pump()
    return sent


@pytest.mark.parametrize(
    ("body", "kind", "data"),
    [
        ({"city": "Paris"}, "application/json", b'{"city": "Paris"}'),
        ("Zürich", "text/plain; charset=utf-8", "Zürich".encode()),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
        (None, None, b""),
    ],
)
def test_a_body_is_sent_as_what_it_is(
    tmp_path: Path, service: Service, body: Any, kind: str | None, data: bytes
) -> None:
    with world_with(tmp_path, service) as world:
        send(world, body)
        assert world.peek("http") == []
    (asked,) = service.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/weather", data)
    assert asked.headers.get("content-type") == kind


@pytest.mark.parametrize(
    ("kind", "data", "body"),
    [
        ("application/json", b'{"sky": "grey"}', {"sky": "grey"}),
        ("application/problem+json; charset=utf-8", b"[1]", [1]),
        ("text/plain; charset=latin-1", "grüß".encode("latin-1"), "grüß"),
        ("image/png", b"\x89PNG", b"\x89PNG"),
        ("application/json", b"", None),
    ],
)
def test_an_answer_is_the_reply(tmp_path: Path, service: Service, kind: str, data: bytes, body: Any) -> None:
    service.kind, service.body, service.status = kind, data, 201
    with world_with(tmp_path, service) as world:
        sent = send(world, "?", reply_to="replies")
        (reply,) = world.peek("replies")
    assert (reply.body, reply.correlation_id, reply.properties["http_status"]) == (body, sent, 201)
    assert reply.identity == UserPrincipal("alice", REALM)  # whoever asked may send there, and nobody else need


def test_a_request_waits_for_the_answer(tmp_path: Path, service: Service) -> None:
    with running(tmp_path, with_port(service), threaded=True) as world, world.connect("alice") as connection:
        reply = connection.request("http", {"city": "Paris"}, timeout=10)
    assert reply.body == {"sky": "grey"}
    assert reply.identity == ServerPrincipal("weather", REALM)


def test_properties_are_sent_as_the_headers_that_they_are_mapped_to(tmp_path: Path, service: Service) -> None:
    headers = {"X-Day": "day", "X-Urgent": "urgent", "X-None": "missing", "X-Request": "message_id"}
    with world_with(tmp_path, service, headers=headers, method="PUT") as world:
        sent = send(world, "?", properties={"day": "Monday", "urgent": True, "secret": "hush"})
    (asked,) = service.asked
    assert asked.method == "PUT"
    assert (asked.headers["x-day"], asked.headers["x-urgent"], asked.headers["x-request"]) == ("Monday", "true", sent)
    assert "x-none" not in asked.headers
    assert "hush" not in str(asked)


def test_nobody_is_told_whom_a_message_is_from_unless_the_port_says_so(tmp_path: Path, service: Service) -> None:
    with world_with(folder_made(tmp_path / "a"), service) as world:
        send(world, "?")
    with world_with(folder_made(tmp_path / "b"), service, identity_header="X-Caller") as world:
        send(world, "?", properties={"X-Caller": "root"})
    first, second = service.asked
    assert "alice" not in str(first)
    assert second.headers["x-caller"] == "alice"


@pytest.mark.parametrize("value", ["a\r\nX-Admin: yes", "a\x00b", "日"])
def test_a_property_cannot_smuggle_a_header(tmp_path: Path, service: Service, value: str) -> None:
    with world_with(tmp_path, service, headers={"X-Day": "day"}) as world:
        send(world, "?", properties={"day": value})
        (failed,) = world.exceptions()
    assert failed.properties["exception_reason"] == "CF-BUS-240"
    assert service.asked == []


def test_an_alias_signs_on_and_a_new_password_counts_at_once(tmp_path: Path, service: Service) -> None:
    with world_with(tmp_path, service, alias="service") as world:
        send(world, "?")
        data = world.context.aliases["service"]
        world.context.aliases["service"] = SimpleNamespace(user="other", password=data.password)  # type: ignore[assignment]
        send(world, "?")
    signed_on = [base64.b64decode(each.headers["authorization"].removeprefix("Basic ")) for each in service.asked]
    assert signed_on == [b"weather-user:weather-pw", b"other:weather-pw"]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_failing_service_is_asked_again_and_in_the_end_the_message_is_an_exception(
    tmp_path: Path, service: Service, status: int
) -> None:
    service.status = status
    with world_with(tmp_path, service, {"max_redeliveries": 2}) as world:
        send(world, "?")
        for _ in range(3):
            world.advance(60)
            world.works.pump()
        (failed,) = world.exceptions()
    assert len(service.asked) == 3
    assert (failed.properties["exception_reason"], failed.properties["exception_attempts"]) == ("CF-BUS-241", 3)


def test_a_service_that_comes_back_gets_the_message(tmp_path: Path, service: Service) -> None:
    service.status = 503
    with world_with(tmp_path, service) as world:
        send(world, "?", reply_to="replies")
        service.status = 200
        world.advance(1)
        world.works.pump()
        assert len(world.peek("replies")) == 1
        assert world.exceptions() == []


@pytest.mark.parametrize("status", [302, 400, 401, 404])
def test_a_refusal_is_final_and_an_answer_that_points_elsewhere_is_not_followed(
    tmp_path: Path, service: Service, status: int
) -> None:
    service.status, service.location = status, service.url
    with world_with(tmp_path, service) as world:
        send(world, "?")
        (failed,) = world.exceptions()
    assert (failed.properties["exception_reason"], len(service.asked)) == ("CF-BUS-242", 1)


def test_an_answer_that_is_not_what_it_says_is_no_reply(tmp_path: Path, service: Service) -> None:
    service.body = b"{MARKER"
    with world_with(tmp_path, service) as world:
        send(world, "?", reply_to="replies")
        (failed,) = world.exceptions()
        assert world.peek("replies") == [] or world.peek("replies")[0].properties["connector_fault"] == "CF-BUS-243"
    assert failed.properties["exception_reason"] == "CF-BUS-243"
    assert "MARKER" not in str(failed.properties)


def test_an_answer_of_any_size_is_not_taken(tmp_path: Path, service: Service) -> None:
    service.body, service.kind = b"x" * 2000, "text/plain"
    with world_with(tmp_path, service, {"max_message_size": 1000}) as world:
        send(world, "?")
        assert [each.properties["exception_reason"] for each in world.exceptions()] == ["CF-BUS-243"]


def test_a_service_that_is_away_is_a_failure_and_no_loss(tmp_path: Path) -> None:
    with serving(Service()) as gone:
        pass
    with world_with(tmp_path, gone, {"max_redeliveries": 0}) as world:
        send(world, "?")
        assert [each.properties["exception_reason"] for each in world.exceptions()] == ["CF-BUS-244"]


def test_a_silent_service_is_given_up_after_the_timeout(tmp_path: Path) -> None:
    with socket_that_never_answers() as url:
        silent = Service(url=url)
        with world_with(tmp_path, silent, {"max_redeliveries": 0}, timeout=0.05) as world:
            send(world, "?")
            (failed,) = world.exceptions()
    assert "ReadTimeout" in str(failed.properties["exception_text"])


@contextmanager
def socket_that_never_answers() -> Iterator[str]:
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_the_service_is_not_asked_where_the_answer_could_not_be_sent(tmp_path: Path, service: Service) -> None:
    with world_with(tmp_path, service) as world:
        send(world, "?", reply_to="closed")
        send(world, "?", reply_to="nowhere")
        codes = [each.properties["exception_reason"] for each in world.exceptions()]
    assert (codes, service.asked) == (["CF-BUS-020", "CF-BUS-030"], [])


def test_a_port_needs_the_sender_role_as_any_destination(tmp_path: Path, service: Service) -> None:
    with world_with(tmp_path, service, {"inherit_defaults": False}) as world, pytest.raises(AccessDenied):
        send(world, "?")


def test_a_service_is_reached_by_tls_and_is_who_it_says(tmp_path: Path) -> None:
    authority, stranger = Authority(), Authority("stranger")
    certificate, key = authority.issue()
    (tmp_path / "server.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with serving(Service(), lambda plain: context.wrap_socket(plain, server_side=True)) as service:
        for name, trusted, outcome in (("known", authority, 1), ("stranger", stranger, 0)):
            client = ssl.create_default_context(cadata=trusted.pem.decode())
            world = start_world(
                folder_made(tmp_path / name),
                with_port(service, {"max_redeliveries": 0}, tls="partner"),
                tls=SimpleNamespace(client_context=lambda name, found=client: {"partner": found}[name]),
            )
            try:
                send(world, "?", reply_to="replies")
                replies = [each for each in world.peek("replies") if "http_status" in each.properties]
                assert len(replies) == outcome
                assert len(world.exceptions()) == 1 - outcome
            finally:
                world.stop()


def folder_made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("port", "code"),
    [
        ({"url": "ftp://host/"}, "CF-BUS-246"),
        ({"url": "http://user:MARKER@host/"}, "CF-BUS-246"),
        ({"url": "http://"}, "CF-BUS-246"),
        ({"url": "http://host", "headers": {"X Day": "day"}}, "CF-BUS-247"),
        ({"url": "http://host", "identity_header": "X:Y"}, "CF-BUS-247"),
        ({}, "CF-BUS-248"),
    ],
)
def test_a_port_that_cannot_be_is_refused(tmp_path: Path, port: dict[str, Any], code: str) -> None:
    bus = weather_bus(destinations={"http": {"type": "port", "port": port}})
    with pytest.raises(ConfigError) as caught:
        start_world(tmp_path, {"weather": bus})
    assert [each.code for each in caught.value.problems] == [code]
    assert "MARKER" not in str(caught.value)


def test_a_new_port_serves_while_the_bus_runs_and_one_that_goes_ends(tmp_path: Path, service: Service) -> None:
    with world_with(tmp_path, service) as world:
        bus = with_port(service)["weather"]
        more = {**bus, "destinations": {**bus["destinations"], "second": dict(bus["destinations"]["http"])}}
        change = world.adapter.sections_changed({"buses": {"weather": more}})
        assert change is not None
        change.apply()
        with world.connect("alice") as connection:
            connection.send("second", json.dumps({"n": 1}))
        world.works.pump()
    assert len(service.asked) == 1


def test_messages_are_asked_about_in_their_order(tmp_path: Path, service: Service) -> None:
    with world_with(tmp_path, service) as world:
        with world.connect("alice") as connection:
            for number in range(5):
                connection.send("http", Message(str(number)))
        world.works.pump()
    assert [each.body for each in service.asked] == [b"0", b"1", b"2", b"3", b"4"]
