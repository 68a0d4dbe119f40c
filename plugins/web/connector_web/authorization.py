"""The header `Authorization`: one scheme and what belongs to it (RFC 9110, 11.6.2)."""

from __future__ import annotations

from connector.errors import Reason
from connector_web.refusal import CredentialRefused
from connector_web.request import WebRequest

TWO_AUTHORIZATIONS = Reason(
    "CF-WEB-010",
    "the request has {count} headers Authorization.",
    "One is allowed: a proxy in between may look at another one than the application.",
)


def authorization(request: WebRequest) -> tuple[str, str] | None:
    """The scheme, in small letters, and the rest of the header; None where there is none.

    Raises CredentialRefused where there are several (CF-WEB-010).
    """
    values = request.header("authorization")
    if len(values) > 1:
        raise CredentialRefused(TWO_AUTHORIZATIONS, count=len(values))
    if not values or not values[0].strip():
        return None
    scheme, _, rest = values[0].strip().partition(" ")
    return scheme.lower(), rest.strip()


def quoted(text: str) -> str:
    """A quoted string for a header; what a header can't hold is replaced."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
