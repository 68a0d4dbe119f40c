"""The service behind a port as the configuration writes it (BUS-1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from connector.errors import Reason
from connector_bus.settings import PortSettings

URL_UNFIT = Reason(
    "CF-BUS-246", "the url {found} of a port", "http:// or https://, a host, no user and no password: give an alias"
)
HEADER_NAME_UNFIT = Reason("CF-BUS-247", "the header {found}", "a name of letters, digits and hyphens")
PORT_MISSING = Reason("CF-BUS-248", "a port without the table port", "port = { url = … }")

_TOKEN = re.compile(r"[A-Za-z0-9-]+\Z")


def read_port(path: str, table: Mapping[str, Any] | None, problem: Callable[..., None]) -> PortSettings | None:
    """Read it; mistakes are told to `problem` with their key path, and something fit is answered in their place."""
    if not table:
        problem(PORT_MISSING, path)
        return None
    url = str(table.get("url") or "")
    if not _is_url(url):
        problem(URL_UNFIT, f"{path}.url", found=repr(_without_userinfo(url)))
    headers = {str(name): str(source) for name, source in (table.get("headers") or {}).items()}
    identity_header = table.get("identity_header") or None
    for place, name in [*((f"headers.{each}", each) for each in headers), ("identity_header", identity_header)]:
        if name is not None and not _TOKEN.match(name):
            problem(HEADER_NAME_UNFIT, f"{path}.{place}", found=repr(name))
    return PortSettings(
        url=url,
        method=str(table.get("method") or "POST"),
        headers=MappingProxyType(headers),
        timeout=float(table.get("timeout") or 10.0),
        tls=table.get("tls") or None,
        alias=table.get("alias") or None,
        identity_header=identity_header,
        concurrency=int(table.get("concurrency") or 1),
    )


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        fit = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return fit and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _without_userinfo(url: str) -> str:
    scheme, slashes, rest = url.partition("//")
    return f"{scheme}{slashes}…@{rest.rpartition('@')[2]}" if "@" in rest else url
