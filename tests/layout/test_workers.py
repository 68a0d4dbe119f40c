"""Tests that share something stay in one process where several share the suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_workers import ROOMS_WITH_SERVERS, SECONDS, scope_of, seconds_of

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("test", "scope"),
    [
        ("tests/bus/test_store.py::test_it[a::b/c]", "tests/bus"),
        ("tests/kit/test_our_adapters.py::TestEcho::test_it", "tests/kit/test_our_adapters.py"),
        ("tests/docs/test_examples.py::test_it[pools]", "tests/docs/test_examples.py::test_it[pools]"),
        ("connector/testing/kit.py::TestKit::test_it", "connector/testing/kit.py"),
    ],
)
def test_a_test_stays_with_its_room_its_file_or_alone(test: str, scope: str) -> None:
    assert scope_of(test) == scope


def test_a_room_whose_conftest_has_something_for_the_session_is_kept_together() -> None:
    with_session = {
        conftest.parent.name for conftest in TESTS.glob("*/conftest.py") if 'scope="session"' in conftest.read_text()
    }
    # One file alone asks for the server of tests/container.
    assert with_session - {"container"} == ROOMS_WITH_SERVERS


def test_a_page_is_begun_before_many_short_tests_and_after_a_room_that_takes_minutes() -> None:
    page, short, room = (
        ("tests/docs/test_examples.py::test_it[pools]", 1),
        ("tests/pool/test_lease.py", 20),
        ("tests/bus", 900),
    )
    assert sorted([short, page, room], key=lambda scope: -seconds_of(*scope)) == [room, page, short]


def test_the_rooms_whose_tests_take_long_are_there() -> None:
    assert [room for room in SECONDS if not (TESTS / room).is_dir()] == []
