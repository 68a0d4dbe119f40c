"""Where a secret in a configuration comes from: `file:PATH`, `env:NAME`, or plain text (SIGN-1, AUTHD-4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.origins import ENVIRONMENT
from connector.container.configuration.problems import ProblemCollector
from connector.errors import Reason
from connector.spi import Secret

SECRET_FILE_UNREADABLE = Reason(
    "CF-CONF-036", "a secret's file {file} that can't be read ({cause})", "Make the file, readable for the container."
)
SECRET_VARIABLE_MISSING = Reason(
    "CF-CONF-037", "a secret's environment variable {variable} that is not set", "Set it before the start."
)
SECRET_IN_PLAIN_TEXT = Reason(
    "CF-CONF-038", "a secret in plain text", "Move it to a file of mode 0600 and write file:PATH, or use env:NAME."
)
PASSWORD_IN_URL = Reason(
    "CF-CONF-039", "a URL with a password in it", "Take the password out of the URL; give it as file: or env:."
)

_PASSWORD_IN_URL = re.compile(
    r"[a-z][a-z0-9+.-]*://[^/?#@\s:]*:[^/?#\s]+@|[?&;](?:password|passwd|pwd|sslpassword|secret|token)=[^&;\s]",
    re.IGNORECASE,
)


def resolve_secret(
    text: str, path: KeyPath, *, folder: Path, environ: Mapping[str, str], problems: ProblemCollector
) -> Secret | None:
    """The secret that a text names or is; None after noting a problem. Blocks for a file.

    Plain text is allowed and noted as a warning, unless the environment gave it.
    """
    kind, _, name = text.partition(":")
    if kind == "file":
        file = folder / name
        try:
            return Secret(file.read_text("utf-8").removesuffix("\n").removesuffix("\r"))
        except (OSError, UnicodeDecodeError) as error:
            problems.add(SECRET_FILE_UNREADABLE, path, allowed="a readable file", file=file, cause=type(error).__name__)
            return None
    if kind == "env":
        if name not in environ:
            problems.add(SECRET_VARIABLE_MISSING, path, allowed="a variable that is set", variable=name)
            return None
        return Secret(environ[name])
    if problems.origins.of(path).file != ENVIRONMENT:
        problems.warn(SECRET_IN_PLAIN_TEXT, path, allowed="file:PATH or env:NAME")
    return Secret(text)


def check_urls(value: Any, path: KeyPath, problems: ProblemCollector) -> None:
    """Note every text, however deep, that is a URL with a password in it: URLs end up in logs."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            check_urls(below, (*path, key), problems)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            check_urls(below, (*path, number), problems)
    elif isinstance(value, str) and _PASSWORD_IN_URL.search(value):
        problems.add(PASSWORD_IN_URL, path, allowed="a URL without a password")
