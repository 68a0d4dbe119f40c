"""Where a directory is and how it is reached: settings that the registry and the mapping module have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from connector.errors import ConfigError, Reason
from connector_ldap.durations import seconds

SETTING_WRONG = Reason(
    "CF-LDAP-002", "the directory's setting {name!r} of {where} is wrong: {why}.", "Correct it; docs/directory.md."
)
PLAINTEXT_REFUSED = Reason(
    "CF-LDAP-003",
    "{where} would send passwords to {url} in plain text.",
    "Use ldaps:// or leave `start_tls` on; `allow_plaintext = true` allows it, and is reported.",
)

_PORTS: Final = {"ldap": 389, "ldaps": 636}
_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*(;[A-Za-z0-9-]+)*|\d+(\.\d+)+")


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the list.

    Attributes:
        url: As configured, for people.
        host: Its name, which its certificate must have, or its address.
        port: The port.
        tls: `ldaps`, `start-tls` or `none`.
    """

    url: str
    host: str
    port: int
    tls: str


@dataclass(frozen=True, slots=True)
class DirectorySettings:
    """The servers of one directory, the first one preferred. Immutable, without secrets, hashable.

    Attributes:
        servers: In the order in which they are tried.
        ca_file: The certificates that theirs must go back to; None for those that the system trusts.
        connect_timeout: Seconds to connect to one server and set TLS up.
        timeout: Seconds that one answer of a server may take.
    """

    servers: tuple[Server, ...]
    ca_file: Path | None = None
    connect_timeout: float = 5.0
    timeout: float = 10.0

    @property
    def plaintext(self) -> bool:
        """Whether passwords go to some server unencrypted."""
        return any(server.tls == "none" for server in self.servers)


@dataclass(frozen=True, slots=True)
class SettingsReader:
    """Reads one table of settings, declared or raw: what has been converted already comes through as it is.

    Attributes:
        table: The table.
        where: What it belongs to, for people.
    """

    table: Mapping[str, Any]
    where: str

    def wrong(self, name: str, why: str) -> ConfigError:
        """The error to raise (CF-LDAP-002)."""
        return ConfigError(SETTING_WRONG, name=name, where=self.where, why=why)

    def text(self, name: str, default: str | None = None) -> str:
        """A text that is not empty. Raises ConfigError."""
        value = self.table.get(name, default)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(name, "it is missing" if value is None else "it must be a text that is not empty")
        return value

    def switch(self, name: str, *, default: bool) -> bool:
        """True or false, nothing that is merely taken for it. Raises ConfigError."""
        value = self.table.get(name, default)
        if not isinstance(value, bool):
            raise self.wrong(name, "it must be true or false")
        return value

    def duration(self, name: str, default: float, *, least: float = 0.0) -> float:
        """Seconds. Raises ConfigError."""
        value = seconds(self.table.get(name, default))
        if value is None or value < least:
            raise self.wrong(name, f'it must be a duration such as "5s", at least {least:g} s')
        return value

    def attribute(self, name: str, default: str) -> str:
        """The name of an attribute: it goes into filters as it is. Raises ConfigError."""
        value = self.text(name, default)
        if not _ATTRIBUTE.fullmatch(value):
            raise self.wrong(name, "it must be the name of one attribute")
        return value

    def filter(self, name: str, default: str) -> str:
        """A filter in brackets; whether it means something only the server can say. Raises ConfigError."""
        value = self.text(name, default).strip()
        if not value.startswith("(") or not value.endswith(")") or value.count("(") != value.count(")"):
            raise self.wrong(name, "it must be one filter in brackets, for example (objectClass=person)")
        return value

    def directory(self) -> DirectorySettings:
        """Servers, TLS and time-outs. Reads no file.

        Raises:
            ConfigError: A wrong setting (CF-LDAP-002), or plain text that is not allowed (CF-LDAP-003).
        """
        start_tls = self.switch("start_tls", default=True)
        allowed = self.switch("allow_plaintext", default=False)
        servers = tuple(self._server(url, start_tls=start_tls) for url in self._urls())
        for server in servers:
            if server.tls == "none" and not allowed:
                raise ConfigError(PLAINTEXT_REFUSED, where=self.where, url=server.url)
        ca_file = self.table.get("ca_file")
        if ca_file is not None and not isinstance(ca_file, str | Path):
            raise self.wrong("ca_file", "it must be a path")
        return DirectorySettings(
            servers,
            None if ca_file is None else Path(ca_file),
            self.duration("connect_timeout", 5.0, least=0.01),
            self.duration("timeout", 10.0, least=0.01),
        )

    def _urls(self) -> tuple[str, ...]:
        value = self.table.get("urls")
        urls = [value] if isinstance(value, str) else value
        if not isinstance(urls, list | tuple) or not urls or not all(isinstance(url, str) for url in urls):
            raise self.wrong("urls", "it must be one URL or a list of URLs")
        return tuple(urls)

    def _server(self, url: str, *, start_tls: bool) -> Server:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise self.wrong("urls", "one of them is no URL") from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
            raise self.wrong("urls", "each must be ldap://HOST:PORT or ldaps://HOST:PORT, and nothing more")
        tls = "ldaps" if parts.scheme == "ldaps" else "start-tls" if start_tls else "none"
        return Server(url, parts.hostname, port or _PORTS[parts.scheme], tls)
