"""What went wrong, as the command line and the admin endpoint report it: code, text, action, never a traceback."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from connector.admin.exit_codes import ExitCode
from connector.errors import ConnectorError, Reason
from connector.spi import Explanation

DEFECT = Reason(
    "CF-ADM-001",
    "{kind}: this is a defect of the product, not of what you typed.",
    "Set CONNECTOR_DEBUG=1 to see where it comes from, and report it.",
)
INTERRUPTED = Reason("CF-ADM-002", "interrupted.", "")


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """One failure, ready to be printed or sent.

    Attributes:
        code: The stable code.
        text: What was found and where.
        action: What to do about it; may be empty.
        exit_code: What the command ends with.
        explanation: The decision that led here, as plain data or None.
        causes: What it was raised from, the nearest first, as far as that may be told; see `causes_of`.
    """

    code: str
    text: str
    action: str
    exit_code: int
    explanation: Mapping[str, Any] | None = None
    causes: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that an exception stands for.

        Of an exception that is not ours only the type is told: its text may hold anything, a password as well
        (AUTHD-4).
        """
        if isinstance(error, RemoteFailure):
            return error.failure
        if isinstance(error, ConnectorError):
            explanation = error.explanation.to_dict() if isinstance(error.explanation, Explanation) else None
            return cls(error.code, error.text, error.action, error.exit_code, explanation, causes_of(error))
        if isinstance(error, KeyboardInterrupt):
            return cls(INTERRUPTED.code, INTERRUPTED.text, INTERRUPTED.action, ExitCode.INTERRUPTED)
        kind = type(error).__qualname__
        return cls(DEFECT.code, DEFECT.text.format(kind=kind), DEFECT.action, ExitCode.REFUSED)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Failure:
        """The inverse of `to_dict`; what is missing or of a wrong type is replaced, so that it never raises."""
        exit_code, explanation, causes = plain.get("exit_code"), plain.get("explanation"), plain.get("causes")
        return cls(
            str(plain.get("code", DEFECT.code)),
            str(plain.get("text", "")),
            str(plain.get("action", "")),
            exit_code if isinstance(exit_code, int) else ExitCode.REFUSED,
            explanation if isinstance(explanation, Mapping) else None,
            tuple(str(cause) for cause in causes) if isinstance(causes, list) else (),
        )

    def to_dict(self) -> dict[str, Any]:
        """The failure for programs: what `--json` prints and the endpoint sends."""
        plain: dict[str, Any] = {
            "code": self.code,
            "text": self.text,
            "action": self.action,
            "exit_code": int(self.exit_code),
        }
        if self.explanation is not None:
            plain["explanation"] = self.explanation
        if self.causes:
            plain["causes"] = list(self.causes)
        return plain

    def to_json(self) -> str:
        """One JSON object on one line."""
        return json.dumps({"error": self.to_dict()})

    def __str__(self) -> str:
        causes = "".join(f"\n  caused by {cause}" for cause in self.causes)
        action = f"\n  {self.action}" if self.action else ""
        return f"{self.code}: {self.text}{causes}{action}"


#: How many links of a chain of causes are told.
MOST_CAUSES = 5


def causes_of(error: BaseException) -> tuple[str, ...]:
    """The chain of what an error was raised from, the nearest first.

    Of one of ours code and text, of one of the operating system its standard words, of any other the type only: its
    text may hold anything (AUTHD-4). What merely was being handled when it was raised is not its cause.
    """
    told: list[str] = []
    cause = error.__cause__
    while cause is not None and len(told) < MOST_CAUSES:
        if isinstance(cause, ConnectorError):
            told.append(f"{cause.code}: {cause.text}")
        elif isinstance(cause, OSError) and cause.errno is not None:
            told.append(f"{type(cause).__qualname__}: {os.strerror(cause.errno)}")
        else:
            told.append(type(cause).__qualname__)
        cause = cause.__cause__
    return tuple(told)


class RemoteFailure(Exception):  # a failure that has been decided elsewhere: its Reason is declared over there
    """What a running container answered instead of a result.

    Args:
        failure: The container's own words.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def traceback_of(error: BaseException) -> str:
    """The traceback for CONNECTOR_DEBUG=1, without the values of local variables."""
    return "".join(traceback.format_exception(error))
