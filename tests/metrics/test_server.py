"""`/metrics` over a real socket on loopback."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest
from support_secrets import MARKER

from connector.errors import PluginError
from connector_metrics.listen_address import ListenAddress
from connector_metrics.server import MetricsServer

ANY_PORT = ListenAddress("127.0.0.1", 0)


@contextmanager
def serving(answer: Callable[[], bytes] = lambda: b"x 1\n") -> Iterator[MetricsServer]:
    with closing(MetricsServer(ANY_PORT, answer, "text/plain; version=0.0.4")) as server:
        yield server


def get(server: MetricsServer, path: str = "/metrics", **headers: str) -> tuple[HTTPResponse, bytes]:
    with closing(HTTPConnection(*server.address, timeout=20)) as client:
        client.request("GET", path, headers=headers)
        response = client.getresponse()
        return response, response.read()


def test_it_answers_the_text_with_its_type() -> None:
    with serving() as server:
        response, body = get(server)
    assert (response.status, body) == (200, b"x 1\n")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4"
    assert response.headers["Server"] == "connector-metrics"


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../metrics", "/favicon.ico"])
def test_there_is_nothing_else_to_be_had(path: str) -> None:
    with serving() as server:
        assert get(server, path)[0].status == 404


def test_a_page_in_a_browser_that_names_another_host_is_refused() -> None:
    with serving() as server:
        assert get(server, Host="evil.example")[0].status == 403


def test_what_goes_wrong_is_logged_by_type_and_the_server_lives_on(caplog: pytest.LogCaptureFixture) -> None:
    failures = [RuntimeError(MARKER)]

    def answer() -> bytes:
        if failures:
            raise failures.pop()
        return b"y 2\n"

    with serving(answer) as server, caplog.at_level(logging.ERROR, "connector.metrics"):
        assert get(server)[0].status == 500
        assert get(server)[1] == b"y 2\n"
    assert "RuntimeError" in caplog.text
    assert MARKER not in caplog.text


def test_a_port_that_is_taken_is_told_with_what_to_do() -> None:
    with serving() as server, pytest.raises(PluginError) as refused:
        MetricsServer(server.address, bytes, "")
    assert refused.value.code == "CF-METR-002"
    assert str(server.address) in refused.value.text


def test_after_closing_nobody_listens() -> None:
    with serving() as server:
        address = server.address
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=20)


def test_it_serves_over_version_6_as_well() -> None:
    try:
        server = MetricsServer(ListenAddress("::1", 0), lambda: b"x 1\n", "")
    except PluginError:
        pytest.skip("this machine has no loopback of version 6")
    with closing(server):
        assert get(server)[0].status == 200
