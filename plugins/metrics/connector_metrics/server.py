"""Serving `/metrics` on loopback: one thread that accepts, one short one for each request."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, final

from connector.errors import PluginError, Reason
from connector_metrics.listen_address import ListenAddress, names_this_machine

ADDRESS_TAKEN = Reason(
    "CF-METR-002",
    "metrics can't be served at {address}: {cause}.",
    "Give [metrics] listen another port, or end what listens there.",
)

PATH = "/metrics"
#: Seconds that a client may take to say what it wants.
PATIENCE = 5.0
#: Seconds until the accepting thread notices that it is to stop.
STOP_INTERVAL = 0.1

log = logging.getLogger("connector.metrics")


@final
class MetricsServer:
    """Serves one text at one address, from construction until `close`.

    Args:
        address: Where; loopback.
        answer: Makes the text, on a thread of its own for each request.
        content_type: What the text is.

    Raises PluginError (CF-METR-002) where the address can't be had. Safe to use from any thread.
    """

    def __init__(self, address: ListenAddress, answer: Callable[[], bytes], content_type: str) -> None:
        try:
            self._server = _Server(address, partial(_Handler, answer, content_type))
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise PluginError(ADDRESS_TAKEN, address=address, cause=cause) from None
        #: Where it listens; with the port that was found where 0 was asked for.
        self.address = ListenAddress(address.host, self._server.socket.getsockname()[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(STOP_INTERVAL,), name="connector-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening. Blocks for up to STOP_INTERVAL; an answer under way ends by itself."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __repr__(self) -> str:
        return f"<MetricsServer {self.address}>"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: ListenAddress, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without HTTPServer's question for the host's full name, which may ask the network."""
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that breaks off is none of our business; the base class would print a traceback."""


class _Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE

    def __init__(self, answer: Callable[[], bytes], content_type: str, *connection: Any) -> None:
        self._text = answer
        self._content_type = content_type
        super().__init__(*connection)  # the base class answers the request before it returns

    def do_GET(self) -> None:
        """Answer the text at /metrics, and nothing else to anybody."""
        if not names_this_machine(self.headers.get("Host", "")):
            self._say(HTTPStatus.FORBIDDEN, b"for this machine only\n")
        elif self.path.partition("?")[0] != PATH:
            self._say(HTTPStatus.NOT_FOUND, b"see /metrics\n")
        else:
            self._answer()

    def _answer(self) -> None:
        try:
            text = self._text()
        except Exception as error:  # noqa: BLE001 - foreign code may be behind it, and its text may quote anything
            log.error("metrics could not be told: %s", type(error).__name__)
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, b"see the container's log\n")
        else:
            self._say(HTTPStatus.OK, text, self._content_type)

    def _say(self, status: HTTPStatus, body: bytes, content_type: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """What the answer says of the server: no versions."""
        return "connector-metrics"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a scrape every few seconds is no event."""
