"""The programs that hypothesis writes: one byte is one step.

A program is drawn as bytes, a single choice for hypothesis, so that a million steps cost it little; each byte stands
for one of 256 steps, the simpler ones first, since hypothesis shrinks towards 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple


class Step(NamedTuple):
    """One step: what is done, and to whom or how."""

    verb: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.verb} {self.number}"


def _table(weights: Iterable[tuple[str, int]]) -> tuple[Step, ...]:
    """256 steps: `rest` where nothing else has its share, then each verb with the numbers from 0."""
    steps = [Step(verb, number) for verb, weight in weights for number in range(weight)]
    assert len(steps) <= 256, len(steps)
    return (Step("rest"),) * (256 - len(steps)) + tuple(steps)


#: What a borrower does. Of `take` and its kind the number says for whom, how patiently and with which credential.
BORROWING: Final = _table(
    [
        ("close", 68),
        ("take", 80),
        ("use", 12),
        ("close the oldest", 8),
        ("close twice", 4),
        ("invalidate", 8),
        ("break", 6),
        ("abandon", 6),
        ("abandon in a cycle", 4),
        ("hand over", 6),
        ("in a scope", 15),
        ("look", 3),
        ("take, cancelled", 16),
        ("close, cancelled", 8),
    ]
)

#: What an operator does, on a thread of its own.
OPERATING: Final = _table(
    [
        ("look", 12),
        ("upkeep", 40),
        ("jump", 32),
        ("break", 20),
        ("new version", 40),
        ("flush", 32),
        ("resize", 32),
        ("resume", 16),
        ("suspend", 8),
        ("forgive", 8),
        ("warm", 8),
        ("purge", 4),
        ("close", 1),
    ]
)


def steps_of(program: bytes, table: tuple[Step, ...]) -> list[Step]:
    """The steps of a program, without those that do nothing."""
    return [step for step in map(table.__getitem__, program) if step.verb != "rest"]
