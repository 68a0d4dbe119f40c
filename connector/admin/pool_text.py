"""Pools for people: tables of what they hold, and a sentence for what became of a change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from connector.admin.operations.pools import NO_LIMIT
from connector.admin.output import print_line, print_table

_OVERVIEW = ("resource", "pool", "max_size", "size", "in_use", "free", "waiting", "timeouts", "created", "destroyed")
_IDENTITIES = ("pool", "user", "connections", "in_use", "share", "limit")
_CONTENTS = ("pool", "user", "alias", "version", "age", "lent_for", "owner", "effective_user", "reference", "doomed")
#: Figures that stand elsewhere.
_SETTINGS = frozenset({"max_size", "min_size", "per_identity", "suspended", "kind"})


def print_overview(found: Iterable[Mapping[str, Any]]) -> None:
    """A line for each pool: that for threads, and those of asyncio loops."""
    rows = [
        {**figures, "resource": one["resource"], "pool": _kind(figures["kind"], suspended=one["suspended"])}
        for one in found
        for figures in one["statistics"]
    ]
    print_table(_OVERVIEW, rows, empty="This container has no pools: no resource is a connection factory.")


def print_one(one: Mapping[str, Any]) -> None:
    """Everything about one resource's pools but where connections were obtained."""
    print_line(f"pool of {one['resource']} (adapter {one['adapter']})")
    if one["suspended"]:
        print_line(f"suspended: nothing is lent until `connector pool resume {one['resource']}`")
    print_line("settings in force")
    for name, value in one["settings"].items():
        print_line(f"  {name}: {_setting(value)}")
    for figures in one["statistics"]:
        print_line(f"figures of the pool for {_kind(figures['kind'])}")
        for name, value in figures.items():
            if name not in _SETTINGS and not isinstance(value, Mapping):
                print_line(f"  {name}: {round(value, 3) if isinstance(value, float) else value}")
        for why, count in figures["destroyed_for"].items():
            print_line(f"  destroyed, {why}: {count}")
    identities = [{**row, "pool": row["kind"], "share": f"{row['share']:.0%}"} for row in one["identities"]]
    if identities:
        print_table(_IDENTITIES, identities, empty="")
    rows = [
        {**row, "pool": row["kind"], "age": _seconds(row["age"]), "lent_for": _lent_for(row)}
        for row in one["connections"]
    ]
    print_table(_CONTENTS, rows, empty="It has no connections now.")


def print_leaks(found: Iterable[Mapping[str, Any]]) -> None:
    """What is lent, the longest first, with the calls that led to it, the innermost first."""
    for one in found:
        if not one["connections"]:
            print_line(f"{one['resource']}: nothing is lent.")
        for row in one["connections"]:
            user = row["effective_user"] or row["user"] or "the default user"
            doomed = f"; will be closed: {row['doomed']}" if row["doomed"] else ""
            print_line(
                f"{one['resource']}: lent for {_lent_for(row)} to {row['owner']}, as {user}, by reference "
                f"{row['reference']}{doomed}"
            )
            for call in row["obtained"] or ('not recorded where; leak_trace = "always" records it for each lease',):
                print_line(f"    {call}")


def purged(result: Mapping[str, Any]) -> str:
    """What a purge did, or would do."""
    dry_run = result["dry_run"]
    told = [f"{'would close' if dry_run else 'closed'} {_free(result['closed'])}"]
    if result["on_return"] or result["mode"] == "gracefully":
        told.append(f"{result['on_return']} on loan {'would' if dry_run else 'will'} be closed when they come back")
    if result["ended"] or result["mode"] == "all":
        told.append(f"{result['ended']} on loan {'would be' if dry_run else 'were'} taken away and closed")
    if result["kept"] or result["mode"] in ("idle", "invalid"):
        told.append(f"{result['kept']} stay{'s' if result['kept'] == 1 else ''}")
    if result["asked"]:
        told.append(f"{result['asked']} of asyncio loops are being validated there, and closed by them if they fail")
    if dry_run and result["mode"] == "invalid":
        told.append("which of them fail validation nobody knows before they are asked")
    return f"{result['resource']}: {'; '.join(told)}{'; nothing was done' if dry_run else ''}."


def resized(result: Mapping[str, Any], given: Iterable[str]) -> str:
    """What a resize did, and that the configuration doesn't know of it.

    Args:
        result: Its outcome.
        given: The settings that were changed.
    """
    limit = result["per_identity"]
    sizes = f"max_size {result['max_size']}, min_size {result['min_size']}, per_identity {_none(limit)}"
    closed = f"closed {_free(result['closed'])}; {result['on_return']} on loan will be closed when they come back"
    kept = [f"{name} = {result[name]}" for name in given if result[name] is not None]
    lifted = ["no per_identity"] if "per_identity" in given and limit is None else []
    keep = " and ".join(([f"pool = {{ {', '.join(kept)} }}"] if kept else []) + lifted)
    return f"{result['resource']}: {sizes}; {closed}. Until the next start; to keep it: {keep} in connector.toml."


def suspended(result: Mapping[str, Any]) -> str:
    """What a suspend found."""
    done = "suspended" if result["changed"] else "was suspended already"
    return (
        f"{result['resource']}: {done}. {result['in_use']} on loan stay until they come back; who asks now waits, "
        f"{result['connection_timeout']:g} s at most. `connector pool resume {result['resource']}` lends again."
    )


def resumed(result: Mapping[str, Any]) -> str:
    """What a resume found."""
    if not result["changed"]:
        return f"{result['resource']}: was not suspended."
    return f"{result['resource']}: lends again; {result['waiting']} waited for it."


def _free(count: int) -> str:
    return f"{count} free connection{'' if count == 1 else 's'}"


def _kind(kind: str, *, suspended: bool = False) -> str:
    name = "an asyncio loop" if kind == "loop" else kind
    return f"{name}, suspended" if suspended else name


def _none(value: object) -> object:
    return NO_LIMIT if value is None else value


def _setting(value: object) -> object:
    if value is None or value == []:
        return "off"
    return ", ".join(map(str, value)) if isinstance(value, list) else value


def _lent_for(row: Mapping[str, Any]) -> str:
    if row["lent_for"] is not None:
        return _seconds(row["lent_for"])
    return "a while" if row["in_use"] else ""  # nobody has looked yet


def _seconds(value: float) -> str:
    return f"{value:.1f} s"
