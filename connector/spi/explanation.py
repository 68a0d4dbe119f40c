"""Explanations: every decision about identity or access can say how it came about (architecture rule 11).

The same object is printed by `explain`, carried by errors and written to the audit log. It never holds a secret.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
        facts: The same for programs, by name, where `what` and `why` would have to be taken apart.
    """

    what: str
    verdict: Verdict
    why: str = ""
    steps: tuple[Step, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


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

    def in_short(self) -> Explanation:
        """The same two levels deep: a chain with its modules' results, without what each of them contributed."""
        return replace(self, steps=tuple(_in_short(step) for step in self.steps))

    def to_dict(self) -> dict[str, Any]:
        """The same for programs (`--json`)."""
        return {"question": self.question, "answer": self.answer, "steps": [_plain(step) for step in self.steps]}


_MARK = {Verdict.TAKEN: "+", Verdict.REJECTED: "-", Verdict.FAILED: "!", Verdict.NOTE: "."}


def _write(steps: tuple[Step, ...], depth: int, lines: list[str]) -> None:
    for step in steps:
        why = f": {step.why}" if step.why else ""
        lines.append(f"{'  ' * depth}{_MARK[step.verdict]} {step.what} ({step.verdict.value}){why}")
        _write(step.steps, depth + 1, lines)


def _in_short(step: Step) -> Step:
    if not any(inner.steps for inner in step.steps):
        return step
    return replace(step, steps=tuple(replace(inner, steps=()) for inner in step.steps))


def _plain(step: Step) -> dict[str, Any]:
    plain: dict[str, Any] = {"what": step.what, "verdict": step.verdict.value, "why": step.why}
    if step.facts:
        plain["facts"] = dict(step.facts)
    if step.steps:
        plain["steps"] = [_plain(inner) for inner in step.steps]
    return plain
