"""From what came of a delivery to the response. Pure.

=====================================================  ==========================================================
outcome                                                status
=====================================================  ==========================================================
the handler answers                                    200, JSON; 204 where it answers nothing
the password is wrong, or what are no credentials      401, with the challenge
the caller is in no allowed role, or refused elsewhere 403
a request that it made was answered with a fault       403 where that was a refusal of rights, else 502
the handler could not sign on where it has to          502, and nothing of it is told
paused, too much to do, a registry that is away        503, with Retry-After
anything else                                          500
=====================================================  ==========================================================

A body tells the stable code, the text and what to do; of errors that are not ours nothing (AUTHD-4).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from connector.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConnectorError,
    DeliveryPostponed,
    LoginRefused,
    Reason,
    RequestFailed,
    SignOnError,
    WorkCompletedWithError,
    WorkRejected,
)
from connector.spi import Message, identity_outage

FAILED: Final = Reason("CF-HTTP-020", "the request failed.", "Look into the log of the application.")

_DECIDING: Final = (
    WorkRejected,
    DeliveryPostponed,
    RequestFailed,
    AccessDenied,
    AuthenticationFailed,
    LoginRefused,
    SignOnError,
)
_DEPTH: Final = 16
_SIGN_ON: Final = (AuthenticationFailed, LoginRefused, SignOnError)
_RIGHTS: Final = frozenset({"CF-ENDP-010", "CF-BUS-020", "CF-BUS-124"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Attributes:
        status: Code and phrase.
        body: JSON, or empty.
        headers: Beside type and length.
    """

    status: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


BUSY: Final = Answer("503 Service Unavailable", headers=(("Retry-After", "5"),))


def answer_of(result: Any) -> Answer:
    """What the handler answered; bytes and texts that are none of JSON's go as JSON texts all the same."""
    if isinstance(result, Message):
        result = result.body
    if result is None:
        return Answer("204 No Content")
    return Answer("200 OK", json.dumps(result, default=str).encode())


def refusal_of(error: BaseException, realm: str, *, ran: bool) -> Answer:
    """What went wrong; `ran`: after the caller had been established."""
    outage = identity_outage(error) if isinstance(error, Exception) else None
    cause = _telling(error)
    if outage is not None or isinstance(cause, WorkRejected | DeliveryPostponed):
        return Answer("503 Service Unavailable", _told(outage or cause), (("Retry-After", "5"),))
    if isinstance(cause, RequestFailed):
        rights = str(cause.details.get("fault_code")) in _RIGHTS
        return Answer("403 Forbidden" if rights else "502 Bad Gateway", _told(cause))
    if isinstance(cause, AccessDenied):
        return Answer("403 Forbidden", _told(cause))
    if isinstance(cause, _SIGN_ON) and ran:  # the container's own, of no concern to the client
        return Answer("502 Bad Gateway", _told(None))
    if isinstance(cause, _SIGN_ON):
        challenge = f'Basic realm="{realm}", charset="UTF-8"'
        return Answer("401 Unauthorized", _told(cause), (("WWW-Authenticate", challenge),))
    return Answer("500 Internal Server Error", _told(cause))


def _telling(error: BaseException) -> BaseException:
    """Of an error and its causes the first one that decides the status; where none does, the innermost of ours."""
    chain, last = [error], error
    while last.__cause__ is not None and len(chain) < _DEPTH:
        last = last.__cause__
        chain.append(last)
    ours = [each for each in chain if isinstance(each, ConnectorError) and not isinstance(each, WorkCompletedWithError)]
    return next((each for each in chain if isinstance(each, _DECIDING)), ours[-1] if ours else last)


def _told(error: BaseException | None) -> bytes:
    if isinstance(error, ConnectorError):
        told = {"code": error.code, "text": error.text, "action": error.action}
    else:
        told = {"code": FAILED.code, "text": FAILED.text, "action": FAILED.action}
    return json.dumps({"error": told}).encode()
