"""What becomes of a request: one pure function, with its table.

Theory of operation
-------------------
The sources are asked in the configured order; the first that finds something decides, and nothing that was presented
is ever passed over in favour of a weaker source or of nobody.  What then happened is one of the rows::

    what happened                                          setting          the request
    -----------------------------------------------------  ---------------  ------------------------------------------
    a caller was established                               any              runs as that caller
    a credential was presented that proves nobody          any              401, the challenges of all sources
    Authorization has a scheme or an issuer of no source   any              401, the challenges of all sources
    a proven caller whom the realm does not admit          any              403
    too many wrong passwords from there for that user      any              429 with Retry-After
    registry away, or too many checks under way            any              503 with Retry-After
    nothing was presented                                  refuse           401, the challenges of all sources
    nothing was presented                                  unauthenticated  runs as the unauthenticated caller

Where no source has a challenge, 401 is 403: a 401 must say how to authenticate (RFC 9110, 15.5.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import assert_never, final

from connector.errors import Reason
from connector.spi import Subject
from connector_web.proof import Source
from connector_web.refusal import (
    AUTHENTICATION_NEEDED,
    CALLER_NOT_ADMITTED,
    CREDENTIAL_REFUSED,
    IDENTITY_UNAVAILABLE,
    TOO_MANY_FAILURES,
    Refusal,
)


class Nobody(Enum):
    """What becomes of a request that presents nothing."""

    REFUSE = "refuse"
    UNAUTHENTICATED = "unauthenticated"


class Happened(Enum):
    """What became of the attempt to find the caller out."""

    ESTABLISHED = "established"
    REFUSED = "refused"
    UNCLAIMED = "unclaimed"
    NOT_ADMITTED = "not admitted"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    NOTHING = "nothing"


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """What happened, and what the audit log is told of it.

    Attributes:
        happened: The row.
        source: The source's name; empty where none decided.
        who: The caller as far as known, as text.
        code: The stable code of why not; empty where a caller was established.
        subject: The caller's subject, where one was established.
        retry_after: After how many seconds to try again, where that is known.
    """

    happened: Happened
    source: str = ""
    who: str = ""
    code: str = ""
    subject: Subject | None = None
    retry_after: int | None = None


#: The subject of a request without a caller; read-only, so one is enough.
NOBODY = Subject.unauthenticated()


def decide(
    finding: Finding, nobody: Nobody, sources: Iterable[Source], *, realm: str, retry_after: int
) -> Subject | Refusal:
    """The table above. Pure; raises nothing.

    Args:
        finding: What happened.
        nobody: The setting.
        sources: For their challenges.
        realm: The container's realm.
        retry_after: Seconds for what is away, where the finding doesn't say.
    """
    happened = finding.happened
    if happened is Happened.ESTABLISHED and finding.subject is not None:
        return finding.subject
    if happened is Happened.NOTHING and nobody is Nobody.UNAUTHENTICATED:
        return NOBODY
    match happened:
        case Happened.NOTHING:
            return _challenge(AUTHENTICATION_NEEDED, challenges(sources, realm, ""))
        case Happened.REFUSED | Happened.UNCLAIMED:
            return _challenge(CREDENTIAL_REFUSED, challenges(sources, realm, finding.source))
        case Happened.NOT_ADMITTED:
            return Refusal(403, CALLER_NOT_ADMITTED)
        case Happened.THROTTLED:
            return Refusal(429, TOO_MANY_FAILURES, retry_after=finding.retry_after or retry_after)
        case Happened.UNAVAILABLE | Happened.ESTABLISHED:
            return Refusal(503, IDENTITY_UNAVAILABLE, retry_after=finding.retry_after or retry_after)
        case _:
            assert_never(happened)


def challenges(sources: Iterable[Source], realm: str, refused: str) -> tuple[str, ...]:
    """What `WWW-Authenticate` says: one value for each source that has one, each once, in order. Pure.

    Args:
        sources: All of them.
        realm: The container's realm.
        refused: The name of the source that has just refused something, or empty.
    """
    said = (source.challenge(realm, refused=source.name == refused) for source in sources)
    return tuple(dict.fromkeys(challenge for challenge in said if challenge is not None))


def _challenge(reason: Reason, said: tuple[str, ...]) -> Refusal:
    return Refusal(401 if said else 403, reason, said)
