"""A route over buses for people: what `bus links route` and `bus explain` print of it (BUS-15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from connector.admin.output import print_line, print_table

#: Seconds for all buses on the way to answer.
ROUTE_WAIT: Final = 60.0

_COLUMNS: Final = ("bus", "stage", "place", "identity", "exists", "allowed", "code")
_WORDS: Final = {True: "yes", False: "no", None: "?"}


def print_route(route: Mapping[str, Any]) -> None:
    """Print the stages as a table, the main way first, then each branch; below each what decides."""
    _print_branch(route["stages"], "", arrives=route["arrives"], about="It")
    for each in route["branches"]:
        print_line("")
        _print_branch(route["stages"], each["branch"], arrives=each["arrives"], about=each["branch"])


def _print_branch(stages: list[dict[str, Any]], branch: str, *, arrives: bool, about: str) -> None:
    here = [each for each in stages if each["branch"] == branch]
    print_table(_COLUMNS, [_told(each) for each in here], empty="")
    for each in here:
        for text in (each["came_by"] and f"identity by {each['came_by']}", each["assignment"], each["note"]):
            if text:
                print_line(f"  {each['bus']}, {each['place']}: {text}")
    print_line(f"{about} would arrive." if arrives else f"{about} would not arrive.")


def _told(stage: Mapping[str, Any]) -> dict[str, Any]:
    place = " → ".join([stage["place"], *stage["through"]])
    return {**stage, "place": place, "exists": _WORDS[stage["exists"]], "allowed": _WORDS[stage["allowed"]]}
