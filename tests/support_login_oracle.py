"""What becomes of a login chain, said once more and differently: as facts about the whole stack, not as a walk.

Written from the texts of connectors.md 2.16 only; letters stand for results: P success, F exception, I ignored (False).
"""

from __future__ import annotations

from typing import NamedTuple


class Expected(NamedTuple):
    """What must come out."""

    passed: bool
    blamed: int | None
    login_asked: list[int]
    commit_asked: list[int]


def expected(flags: list[str], logins: str, commits: str) -> Expected:
    """The outcome of a stack with these flags, whose modules answer like this in the two phases."""
    asked, passed, blamed = _phase(flags, logins)
    if not passed:
        return Expected(False, blamed, asked, [])
    committed, passed, blamed = _phase(flags, commits)
    return Expected(passed, blamed, asked, committed)


def _phase(flags: list[str], results: str) -> tuple[list[int], bool, int | None]:
    everyone = list(range(len(flags)))

    def failed(position: int, *kinds: str) -> bool:
        return results[position] == "F" and flags[position] in kinds

    # A requisite failure ends the phase; a sufficient success does unless a required module failed before it.
    ends = [
        position
        for position in everyone
        if failed(position, "requisite")
        or (
            flags[position] == "sufficient"
            and results[position] == "P"
            and not any(failed(earlier, "required") for earlier in range(position))
        )
    ]
    asked = everyone[: ends[0] + 1] if ends else everyone
    weighty = [position for position in asked if failed(position, "required", "requisite")]
    if weighty:
        return asked, False, weighty[0]
    if any(results[position] == "P" for position in asked):
        return asked, True, None
    light = [position for position in asked if failed(position, "sufficient", "optional")]
    return asked, False, light[0] if light else None
