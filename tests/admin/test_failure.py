"""Failures as the command line and the endpoint tell them: the chain of causes, and never what may be a secret."""

from __future__ import annotations

import errno
from itertools import pairwise

import pytest
from support_admin import MARKER

from connector.admin.failure import MOST_CAUSES, Failure, causes_of
from connector.errors import ConnectionFailed, PoolTimeout, Reason

OUTER = Reason("CF-TEST-ADM-030", "no connection to {where}.", "Look there.")
INNER = Reason("CF-TEST-ADM-031", "the pool is empty.", "Wait.")


def chained(*errors: BaseException) -> BaseException:
    """The first one, raised from the second, which was raised from the third, …"""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def test_the_chain_is_told_nearest_first_and_foreign_texts_are_not() -> None:
    inner = PoolTimeout(INNER)
    error = chained(ConnectionFailed(OUTER, where="db"), inner, RuntimeError(MARKER), OSError(errno.ETIMEDOUT, MARKER))
    told = causes_of(error)
    assert told == ("CF-TEST-ADM-031: the pool is empty.", "RuntimeError", "TimeoutError: Connection timed out")
    assert MARKER not in str(Failure.of(error)) + Failure.of(error).to_json()


def test_what_was_merely_being_handled_is_no_cause() -> None:
    error = ConnectionFailed(OUTER, where="db")
    error.__context__ = KeyError(MARKER)
    assert causes_of(error) == ()
    assert "causes" not in Failure.of(error).to_dict()


def test_a_chain_without_end_is_cut() -> None:
    one, two = RuntimeError(), ValueError()
    one.__cause__, two.__cause__ = two, one
    assert len(causes_of(one)) == MOST_CAUSES


def test_a_failure_arrives_over_the_socket_as_it_was_sent() -> None:
    sent = Failure.of(chained(ConnectionFailed(OUTER, where="db"), PoolTimeout(INNER)))
    assert Failure.from_dict(sent.to_dict()) == sent


@pytest.mark.parametrize("causes", [None, "text", 5, {"a": 1}])
def test_causes_of_a_wrong_shape_are_none(causes: object) -> None:
    assert Failure.from_dict({"code": "X", "causes": causes}).causes == ()
