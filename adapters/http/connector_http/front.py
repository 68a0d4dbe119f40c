"""The WSGI application of one activation, and the server that it runs in (waitress)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, final

from connector.errors import ConfigError, ConnectionFailed, Reason
from connector.spi import Message, MessageEndpointFactory, WorkManager
from connector_http.answer import BUSY, Answer, answer_of, refusal_of
from connector_http.request import body_of, credentials_of, is_cross_site
from connector_http.settings import FrontSettings
from connector_http.submission import BasicContext, Delivery

SERVER_MISSING = Reason(
    "CF-HTTP-004",
    "fronts over HTTP need the package waitress, which is not installed.",
    "Install connector-framework[http].",
)
CANT_LISTEN = Reason(
    "CF-HTTP-005",
    "resource {resource} can't listen on {host}:{port} ({cause}).",
    "Choose another address, or end what uses it.",
)

#: Seconds that a request waits for a thread of the container before it is told to come again.
START_TIMEOUT: Final = 5.0
_LOG = logging.getLogger("connector_http")

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


@final
class Front:
    """One path on one port. Safe to use from any thread.

    Args:
        resource: The activation's resource, for errors.
        settings: Where, and what.
        factory: The handler's endpoints.
        works: Where requests become works.

    Mutable state: `_server` and `_thread`, set by `start` and `stop`.
    """

    def __init__(
        self, resource: str, settings: FrontSettings, factory: MessageEndpointFactory, works: WorkManager
    ) -> None:
        self._resource = resource
        self._settings = settings
        self._factory = factory
        self._works = works
        self._places = threading.BoundedSemaphore(factory.concurrency)
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.effective_port)

    @property
    def listens(self) -> bool:
        """Whether it does."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen. Raises ConfigError CF-HTTP-004, ConnectionFailed CF-HTTP-005."""
        try:
            from waitress.server import create_server
        except ImportError:
            raise ConfigError(SERVER_MISSING) from None
        settings = self._settings
        try:
            self._server = create_server(
                self,
                host=settings.host,
                port=settings.port,
                ipv4=":" not in settings.host,
                ipv6=":" in settings.host,
                threads=max(4, self._factory.concurrency),
                max_request_body_size=settings.max_body,
                ident=None,
                expose_tracebacks=False,
                clear_untrusted_proxy_headers=True,
            )
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise ConnectionFailed(
                CANT_LISTEN, resource=self._resource, host=settings.host, port=settings.port, cause=cause
            ) from None
        self._thread = threading.Thread(target=self._server.run, name=f"http-front-{self._resource}", daemon=True)
        self._thread.start()
        _LOG.info("%s listens on %s port %d", self._resource, settings.host, self.port)

    def stop(self, grace: float) -> bool:
        """Take no more requests, and wait up to `grace` seconds for those under way; answers whether they ended."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return True
        dispatcher = server.task_dispatcher
        server.trigger.pull_trigger(lambda: _stop_listening(server))
        dispatcher.shutdown(cancel_pending=True, timeout=grace)
        if dispatcher.threads:
            return False  # a request is under way still: what it needs to end stays, and ends with the process
        server.trigger.pull_trigger(lambda: _end(server))
        thread.join(1.0)
        return True

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request, on a thread of the server. Blocks for the handler."""
        answer = self._answer(environ)
        headers = [*answer.headers, ("Content-Length", str(len(answer.body))), ("Cache-Control", "no-store")]
        if answer.body:
            headers.append(("Content-Type", "application/json"))
        start_response(answer.status, headers)
        return [answer.body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        settings = self._settings
        if environ.get("PATH_INFO") != settings.path:
            return Answer("404 Not Found")
        if environ.get("REQUEST_METHOD") != "POST":
            return Answer("405 Method Not Allowed", headers=(("Allow", "POST"),))
        if is_cross_site(environ):
            return Answer("403 Forbidden")
        realm = self._factory.realm
        work: Delivery | None = None
        try:
            credentials = credentials_of(environ)
            try:
                body = body_of(environ)
            except (ValueError, RecursionError):
                return Answer("400 Bad Request")
            message = Message(body, destination=settings.destination)
            context = BasicContext(credentials, realm)
            work = Delivery(self._factory, message)
            if not self._places.acquire(timeout=START_TIMEOUT):
                return BUSY
            try:
                return answer_of(self._works.do_work(work, contexts=(context,), start_timeout=START_TIMEOUT))
            finally:
                self._places.release()
        except Exception as error:  # noqa: BLE001 - whatever a request causes, its client gets an answer
            refusal = refusal_of(error, realm, ran=work is not None and work.ran)
            if refusal.status.startswith("50"):
                _LOG.error("%s: a request failed with %s", self._resource, type(error).__name__)
            return refusal


def _stop_listening(server: Any) -> None:
    """On the server's own thread: nobody comes in any more, those who are in stay."""
    from waitress.wasyncore import dispatcher

    dispatcher.close(server)


def _end(server: Any) -> None:
    """On the server's own thread: its loop ends once nothing is open any more."""
    for channel in list(server.active_channels.values()):
        channel.handle_close()
    server.trigger.close()
