"""Refusals: what a client is told, which is less than what the audit log is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, final

from connector.errors import AuthenticationFailed, Reason

AUTHENTICATION_NEEDED = Reason(
    "CF-WEB-001",
    "the request presents nothing that says who the caller is.",
    "Send it again with one of the credentials that WWW-Authenticate names.",
)
CREDENTIAL_REFUSED = Reason(
    "CF-WEB-002",
    "what the request presents does not prove who the caller is.",
    "Check the credential; the reason is in the audit log of the application's container.",
)
CALLER_NOT_ADMITTED = Reason(
    "CF-WEB-003",
    "the caller is proven and not admitted here.",
    "Have the caller added to the application's realm, or its realm trusted; the reason is in the audit log.",
)
IDENTITY_UNAVAILABLE = Reason(
    "CF-WEB-004",
    "it can't be found out just now who the caller is; nobody was refused.",
    "Try again after the seconds of Retry-After.",
)
TOO_MANY_FAILURES = Reason(
    "CF-WEB-005",
    "too many wrong passwords came from there for that user.",
    "Try again after the seconds of Retry-After.",
)


class CredentialRefused(AuthenticationFailed):
    """A credential that the request presents can't be believed; its reason goes to the audit log, not to the client."""


@final
@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client is answered in place of the application.

    Attributes:
        status: The status code of HTTP.
        reason: What the body says.
        challenges: The values of `WWW-Authenticate`.
        retry_after: The seconds of `Retry-After`; None for none.
    """

    status: int
    reason: Reason
    challenges: tuple[str, ...] = ()
    retry_after: int | None = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of the answer, `Content-Length` included."""
        headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
        headers += [("WWW-Authenticate", challenge) for challenge in self.challenges]
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return [*headers, ("Content-Length", str(len(self.body)))]

    @property
    def body(self) -> bytes:
        """Code, text and action as JSON; nothing of the request is in it."""
        said: dict[str, Any] = {"code": self.reason.code, "text": self.reason.text, "action": self.reason.action}
        return json.dumps(said).encode()
