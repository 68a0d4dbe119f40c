"""HTTP basic: user and password, asked of the container's own realm (RFC 7617)."""

from __future__ import annotations

import base64
import binascii
import logging
from typing import final

from connector.errors import Reason
from connector.spi import Clock, Secret, SystemClock
from connector_web.authorization import authorization, quoted
from connector_web.proof import Password
from connector_web.refusal import CredentialRefused
from connector_web.request import WebRequest
from connector_web.throttle import Throttle

BASIC_MALFORMED = Reason(
    "CF-WEB-011",
    "the header Authorization is not what HTTP basic makes of user and password: {why}.",
    "The client must send user and password in UTF-8, with a colon between them, in base64.",
)
BASIC_EMPTY_PASSWORD = Reason(
    "CF-WEB-012",
    "an empty password was presented.",
    "A directory would take it for an anonymous bind: it is refused without asking.",
)

_LONGEST_USER = 255
_LOOPBACK = frozenset({"127.0.0.1", "::1", "unix"})

_log = logging.getLogger("connector.web")


@final
class BasicSource:
    """HTTP basic; made by `basic`. Safe to use from any thread.

    Args:
        throttle: Who counts wrong passwords.
    """

    # Mutable state: `_warned`, whether it was said that a password came in clear; twice by a race is no harm.

    name = "basic"
    scheme = "basic"

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._warned = False

    def challenge(self, realm: str, *, refused: bool) -> str:
        """Names the realm, and UTF-8."""
        return f'Basic realm={quoted(realm)}, charset="UTF-8"'

    def read(self, request: WebRequest) -> Password | None:
        """User and password. Raises CredentialRefused (CF-WEB-011, CF-WEB-012), without asking anybody."""
        presented = authorization(request)
        if presented is None or presented[0] != self.scheme:
            return None
        if not request.secure and request.peer not in _LOOPBACK and not self._warned:
            self._warned = True
            _log.warning("a password came without TLS, as far as the server knows: %s", request.what)
        user, password = _user_and_password(presented[1])
        if not password:
            raise CredentialRefused(BASIC_EMPTY_PASSWORD)
        return Password(user, password, self._throttle)

    def __repr__(self) -> str:
        return f"<BasicSource {self._throttle!r}>"


def basic(*, failures: int = 10, within: float = 60.0, clock: Clock | None = None) -> BasicSource:
    """User and password by HTTP basic, asked of the container's realm at each request (50 to 400 ms of hashing).

    Args:
        failures: After how many wrong passwords an address is not listened to any more for that user, right or wrong,
            known or unknown: it gets 429 with `Retry-After`.
        within: Seconds for which failures are counted, and for which it then isn't listened to at most.
        clock: Where the time comes from.
    """
    return BasicSource(Throttle(failures, within, clock or SystemClock()))


def _user_and_password(encoded: str) -> tuple[str, Secret]:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        text = ""
    # After the handlers, so that no exception that holds the text is part of what is raised.
    if not text:
        raise CredentialRefused(BASIC_MALFORMED, why="it isn't text in base64")
    user, colon, password = text.partition(":")
    if not colon:
        raise CredentialRefused(BASIC_MALFORMED, why="there is no colon in it")
    if not user or len(user) > _LONGEST_USER or not user.isprintable():
        raise CredentialRefused(BASIC_MALFORMED, why="that can't be the name of a user")
    return user, Secret(password)
