"""Explanations: every decision about identity or access can say how it came about (architecture rule 11).

The same object is printed by `explain`, carried by errors and written to the audit log. It never holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Verdict(Enum):
    """What became of one step."""

    TAKEN = "taken"  # this step decided
    REJECTED = "rejected"  # this step was considered and did not apply
    FAILED = "failed"  # this step failed and that ended the matter
    NOTE = "note"  # something to know, no decision


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a decision.

    Attributes:
        what: The rule, source or module considered.
        verdict: What became of it.
        why: The reason, in words.
        steps: The steps within this one, for example the modules of a chain.
    """

    what: str
    verdict: Verdict
    why: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a decision came about.

    Attributes:
        question: What was asked, for example "sign-on of reference jdbc/log for alice".
        answer: The outcome in one line.
        steps: The way there.
    """

    question: str
    answer: str
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        lines = [self.question]
        _write(self.steps, 1, lines)
        lines.append(f"=> {self.answer}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The same for programs (`--json`)."""
        return {"question": self.question, "answer": self.answer, "steps": [_plain(step) for step in self.steps]}


_MARK = {Verdict.TAKEN: "+", Verdict.REJECTED: "-", Verdict.FAILED: "!", Verdict.NOTE: "."}


def _write(steps: tuple[Step, ...], depth: int, lines: list[str]) -> None:
    for step in steps:
        why = f": {step.why}" if step.why else ""
        lines.append(f"{'  ' * depth}{_MARK[step.verdict]} {step.what} ({step.verdict.value}){why}")
        _write(step.steps, depth + 1, lines)


def _plain(step: Step) -> dict[str, Any]:
    plain: dict[str, Any] = {"what": step.what, "verdict": step.verdict.value, "why": step.why}
    if step.steps:
        plain["steps"] = [_plain(inner) for inner in step.steps]
    return plain
