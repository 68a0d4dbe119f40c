"""Who may be left to his first statement: a caller that the session has had, on a server that seems to be there."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from connector_sql.familiar_roles import FamiliarRoles


class Clock:
    """A clock that stands still until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def roles(ends: tuple[socket.socket, socket.socket], clock: Clock) -> FamiliarRoles:
    roles = FamiliarRoles(ends[0].fileno(), clock)
    roles.taken("alice")
    roles.answered()
    return roles


def test_only_whom_the_session_has_had_may_wait(roles: FamiliarRoles) -> None:
    assert roles.may_wait("alice")
    assert not roles.may_wait("bob")


def test_nobody_may_wait_before_the_server_has_answered(
    ends: tuple[socket.socket, socket.socket], clock: Clock
) -> None:
    roles = FamiliarRoles(ends[0].fileno(), clock)
    roles.taken("alice")
    assert not roles.may_wait("alice")


def test_nobody_may_wait_where_nobody_has_used_the_session_for_ten_seconds(roles: FamiliarRoles, clock: Clock) -> None:
    clock.now += 9.9
    assert roles.may_wait("alice")
    clock.now += 0.1
    assert not roles.may_wait("alice")
    roles.answered()
    assert roles.may_wait("alice")


@pytest.mark.parametrize("farewell", [True, False])
def test_nobody_may_wait_where_the_server_has_said_something_or_is_gone(
    roles: FamiliarRoles, ends: tuple[socket.socket, socket.socket], farewell: bool
) -> None:
    if farewell:
        ends[1].sendall(b"bye")
    else:
        ends[1].close()
    assert not roles.may_wait("alice")


def test_callers_without_end_are_forgotten(roles: FamiliarRoles) -> None:
    for number in range(1000):
        roles.taken(f"caller {number}")
    assert not roles.may_wait("alice")
    assert roles.may_wait("caller 999")
    assert len(roles._taken) <= 256
