"""The HTTP client of a port: one exchange at a time in each thread, over connections that are kept (extra `http`)."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable
from typing import Any, final

from connector.errors import ConfigError, ConnectionFailed, MessagingError, Reason
from connector.spi import AuthenticationData, Message
from connector_bus.ports.exchange import ANSWER_UNFIT, reply_of, request_of, require_success
from connector_bus.settings import PortSettings

SERVICE_AWAY = Reason(
    "CF-BUS-244",
    "the service at {url} can't be reached: {cause}",
    "It is asked again up to max_redeliveries of the port.",
)
EXTRA_MISSING = Reason(
    "CF-BUS-245",
    "port {destination} on bus {bus} needs an HTTP client, and there is none",
    "Install connector-framework[http].",
)


@final
class PortClient:
    """Asks the service of one port. Safe to use from any thread.

    Args:
        bus, destination: For errors.
        settings: The port.
        tls: The context of a TLS configuration, by its name; asked when a client is made.
        authentication_data: User and password of an alias; asked for each request, so that a new password counts.
        limit: Bytes of an answer at most.

    Raises ConfigError CF-BUS-245 without the extra, NameNotFound for a TLS configuration that is not there.
    """

    def __init__(
        self,
        bus: str,
        destination: str,
        settings: PortSettings,
        tls: Callable[[str], ssl.SSLContext],
        authentication_data: Callable[[str], AuthenticationData],
        limit: int,
    ) -> None:
        try:
            self._http: Any = importlib.import_module("httpx2")
        except ImportError:
            raise ConfigError(EXTRA_MISSING, bus=bus, destination=destination) from None
        self._settings = settings
        self._authentication_data = authentication_data
        self._limit = limit
        verify = True if settings.tls is None else tls(settings.tls)
        # Nothing of the environment counts (proxies, netrc): a port goes where its settings say. Nor does it follow
        # where an answer points to.
        self._client = self._http.Client(
            timeout=settings.timeout, verify=verify, trust_env=False, follow_redirects=False
        )

    def ask(self, message: Message) -> Message:
        """The answer of the service to a message, as a reply. Blocks for the exchange.

        Raises ConnectionFailed CF-BUS-244; MessagingError CF-BUS-240 to -243; AuthDataError.
        """
        settings, http = self._settings, self._http
        request = request_of(message, settings)
        auth = None
        if settings.alias is not None:
            data = self._authentication_data(settings.alias)
            auth = http.BasicAuth(data.user, data.password.reveal())
        arguments = {"headers": dict(request.headers), "content": request.body, "auth": auth}
        try:
            with self._client.stream(settings.method, settings.url, **arguments) as response:
                require_success(response.status_code, settings.url)
                data_read = self._read(response)
                kind = response.headers.get("content-type", "")
                return reply_of(response.status_code, kind, data_read, settings.url)
        except http.HTTPError as error:
            # Its text may quote the request; the type says enough.
            raise ConnectionFailed(SERVICE_AWAY, url=settings.url, cause=type(error).__name__) from None

    def _read(self, response: Any) -> bytes:
        data = bytearray()
        for part in response.iter_bytes():
            data += part
            if len(data) > self._limit:
                raise MessagingError(
                    ANSWER_UNFIT, url=self._settings.url, fault=f"it has more than {self._limit} bytes"
                )
        return bytes(data)

    def close(self) -> None:
        """Let go of the connections; what is under way fails. Harmless when called twice."""
        self._client.close()
