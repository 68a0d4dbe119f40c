"""SQLAlchemy's events of Engine and Connection: whoever listens, wherever and whenever, hears what happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import Connection
from support_sql import MakeReference, Reference

from connector_sql.engine import PinnedConnection

ONE = text("SELECT 1")


@pytest.fixture
def reference(make_reference: MakeReference) -> Reference:
    return make_reference(properties={"url": "sqlite://"})


@pytest.fixture
def listen() -> Iterator[Callable[[Any, str], list[str]]]:
    """Listens to statements, and takes the listener away again, since some listen to a class."""
    taken_back: list[tuple[Any, str, Any]] = []

    def begin(target: Any, name: str = "before_cursor_execute") -> list[str]:
        heard: list[str] = []

        def hear(*_: Any) -> None:
            heard.append(name)

        event.listen(target, name, hear)
        taken_back.append((target, name, hear))
        return heard

    yield begin
    for listener in taken_back:
        event.remove(*listener)
    # What SQLAlchemy leaves behind once somebody has listened to a class:
    Connection._has_events = False
    if "_has_events" in vars(PinnedConnection):
        del PinnedConnection._has_events


def test_the_engines_listeners_hear_of_connections_made_before_and_after(reference: Reference, listen: Any) -> None:
    engine = reference.connections.engine
    with engine.connect() as before:
        heard = listen(engine)
        before.execute(ONE)
        with engine.connect() as after:
            after.execute(ONE)

    assert len(heard) == 2


def test_a_connections_own_listeners_hear_of_it_alone(reference: Reference, listen: Any) -> None:
    engine = reference.connections.engine
    with engine.connect() as one, engine.connect() as other:
        own = listen(one)
        one.execute(ONE)
        other.execute(ONE)
        assert len(own) == 1
        everybody = listen(engine)
        one.execute(ONE)
        other.execute(ONE)

    assert (len(own), len(everybody)) == (2, 2)


@pytest.mark.parametrize("kind", [Connection, PinnedConnection])
@pytest.mark.parametrize("name", ["before_cursor_execute", "engine_connect", "begin"])
def test_listeners_of_the_class_hear_of_all(reference: Reference, listen: Any, kind: type, name: str) -> None:
    engine = reference.connections.engine
    engine.connect().close()  # the very first asks the server about itself, on a Connection of SQLAlchemy's
    heard = listen(kind, name)
    with engine.connect() as connection:
        connection.execute(ONE)

    assert heard == [name]


def test_listeners_of_the_class_hear_of_connections_made_before(reference: Reference, listen: Any) -> None:
    with reference.connections.engine.connect() as connection:
        heard = listen(Connection)
        connection.execute(ONE)

    assert len(heard) == 1


def test_a_listener_may_begin_to_listen_to_the_connection_that_it_hears_of(reference: Reference) -> None:
    heard: list[str] = []

    @event.listens_for(reference.connections.engine, "engine_connect")
    def begin(connection: Any) -> None:
        event.listen(connection, "before_cursor_execute", lambda *_: heard.append("statement"))

    with reference.connections.engine.connect() as connection:
        connection.execute(ONE)

    assert heard == ["statement"]


def test_an_engine_with_options_is_heard_by_listeners_of_both(reference: Reference, listen: Any) -> None:
    engine = reference.connections.engine
    with_options = engine.execution_options(stream_results=False)
    first, second = listen(engine), listen(with_options)
    with with_options.connect() as connection:
        connection.execute(ONE)

    assert (len(first), len(second)) == (1, 1)
