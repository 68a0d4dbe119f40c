"""From python-gssapi's exception to our error."""

from __future__ import annotations

from typing import Any

from connector.errors import ConnectionFailed
from connector_kerberos.refusals import refusal


def failure_of(error: Any, principal: str, service: str) -> ConnectionFailed:
    """The error to raise instead of a GSSError, with the library's own words for it. Pure."""
    return refusal(error.min_code, said_by(error), principal, service)


def said_by(error: Any) -> str:
    """The library's words: of the mechanism where there are any, else of GSSAPI."""
    words = error.get_all_statuses(error.min_code, is_maj=False) or error.get_all_statuses(error.maj_code, is_maj=True)
    return "; ".join(words).strip().rstrip(".") or type(error).__name__
