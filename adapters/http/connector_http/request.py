"""A request as it comes by WSGI: who asks, and what. Pure but for reading the body."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import Reason, SignOnError
from connector.spi import Secret

CREDENTIALS_UNFIT = Reason(
    "CF-HTTP-010",
    "the header Authorization is not what HTTP basic makes of user and password.",
    "Send user and password in UTF-8, with a colon between them, in base64; the password is not empty.",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """User and password, one unit.

    Attributes:
        user: The user.
        password: Its password.
    """

    user: str
    password: Secret


def credentials_of(environ: Mapping[str, Any]) -> Credentials | None:
    """Who asks, by HTTP basic (RFC 7617); None where the request doesn't say. Raises SignOnError CF-HTTP-010."""
    scheme, _, encoded = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
    if not scheme:
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (ValueError, binascii.Error):
        pair = ""
    user, colon, password = pair.partition(":")
    if scheme.lower() != "basic" or not colon or not user or not password:
        raise SignOnError(CREDENTIALS_UNFIT)  # out here: the decoder's error would carry what it could not decode
    return Credentials(user, Secret(password))


def is_cross_site(environ: Mapping[str, Any]) -> bool:
    """Whether a browser says that another site has sent it: it may bring credentials that it keeps for this one."""
    site, origin = environ.get("HTTP_SEC_FETCH_SITE"), environ.get("HTTP_ORIGIN")
    if site is not None and site not in ("same-origin", "none"):
        return True
    return origin is not None and str(origin).partition("://")[2] != environ.get("HTTP_HOST")


def body_of(environ: Mapping[str, Any]) -> Any:
    """The body: JSON where the request says so, bytes of any other type as text where it is UTF-8; None for none.

    Raises ValueError for JSON that is none.
    """
    data = environ["wsgi.input"].read()
    if not data:
        return None
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind == "application/json":
        return json.loads(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return bytes(data)
