"""Index lines from rows, for stores in any database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, select

from connector_bus.store.contract import IndexLine, PreparedUnit


def line_of(messages: Table) -> tuple[Column[Any], ...]:
    """The columns of an index line, in the order of its attributes."""
    columns = messages.c
    return (
        columns.sequence,
        columns.destination,
        columns.priority,
        columns.expires_at,
        columns.attempts,
        columns.mediated,
        columns.group_id,
        columns.deliver_at,
    )


def prepared_units(rows: Iterable[Sequence[Any]]) -> list[PreparedUnit]:
    """The prepared units of rows of branch, arrives and the columns of an index line, ordered by branch."""
    units: dict[str, tuple[list[IndexLine], list[IndexLine]]] = {}
    for branch, arrives, *line in rows:
        units.setdefault(branch, ([], []))[0 if arrives else 1].append(IndexLine(*line))
    return [PreparedUnit(branch, tuple(arrivals), tuple(removals)) for branch, (arrivals, removals) in units.items()]


def headers_on(messages: Table, destination: str) -> Select[Any]:
    """All columns but the body, of all messages of a destination."""
    return headers_where(messages, messages.c.destination == destination)


def headers_where(messages: Table, condition: ColumnElement[bool]) -> Select[Any]:
    """All columns but the body, of the messages that meet a condition."""
    columns = [column for column in messages.columns if column.name != "content"]
    return select(*columns).where(condition).order_by(messages.c.sequence)


def transfers_over(received: Table, link: str) -> Select[tuple[str]]:
    """The transfers that came over a link."""
    return select(received.c.transfer).where(received.c.link == link)


def transfers_on(messages: Table, destination: str) -> Select[tuple[str]]:
    """The transfers that wait on a transmission queue."""
    return select(messages.c.transfer).where(messages.c.destination == destination, messages.c.transfer.is_not(None))
