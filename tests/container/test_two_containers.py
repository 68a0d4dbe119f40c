"""FLOW-4, FLOW-8: two containers in one process; what is in force of one counts for nothing at the other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_container import ProfileFolder

from connector import Container
from connector.errors import ScopeError, TransactionError
from connector.spi import Scope


class Two:
    """The shop, and another container whose realm and resources have the same names."""

    def __init__(self, shop: Container, other: Container, profile: ProfileFolder) -> None:
        self.shop, self.other, self.profile = shop, other, profile

    def login(self, container: Container) -> Any:
        return container.login("alice", self.profile.password)


@pytest.fixture
def two(tmp_path: Path, profile: ProfileFolder) -> Iterator[Two]:
    folder = tmp_path / "other"
    folder.mkdir()
    another = ProfileFolder(folder)
    another.edit('[container]\nname = "shop"', '[container]\nname = "other"')
    with profile.open() as shop, another.open() as other:
        yield Two(shop, other, profile)
    sys.modules.pop(another.module, None)


def query(container: Container) -> Any:
    with container.application("shop").lookup("jdbc/orders").get_connection() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM orders").scalar()


def send(container: Container) -> None:
    with container.application("shop").lookup("jms/shop").get_connection() as bus:
        bus.send("orders", {"item": "tea"})


def test_who_is_logged_in_at_one_is_nobody_s_caller_at_the_other(two: Two) -> None:
    with two.login(two.other):
        send(two.other)  # what is known of alice there by now serves nobody else
    with two.login(two.shop):
        with pytest.raises(ScopeError, match="CF-OUT-022") as caught:
            send(two.other)
        assert "alice@shop" in caught.value.text
        send(two.shop)
        with two.login(two.other):
            send(two.other)


def test_a_reference_that_signs_on_for_everybody_asks_nobody_whose_caller_it_is(two: Two) -> None:
    for _ in range(2):
        with two.login(two.shop):
            assert query(two.other) == 0
        with two.login(two.other):
            assert query(two.other) == 0


def test_a_caller_can_be_carried_over_on_purpose(two: Two) -> None:
    with two.login(two.shop):
        subject = two.shop.current_subject()
        assert subject is not None
        with two.other.run_as(subject):
            send(two.other)


def test_it_is_the_same_for_tasks(two: Two) -> None:
    async def send_there() -> None:
        async with two.shop.login_async("alice", two.profile.password):
            await asyncio.to_thread(send, two.other)

    with pytest.raises(ScopeError, match="CF-OUT-022"):
        asyncio.run(send_there())


def test_a_unit_of_one_takes_in_nothing_of_the_other(two: Two) -> None:
    direct = two.other.lookup("jdbc/orders")
    with two.shop.transaction():
        with pytest.raises(TransactionError, match="CF-TX-025"):
            direct.get_connection()
        with pytest.raises(TransactionError, match="CF-TX-025"), two.other.transaction():
            pass
        with pytest.raises(TransactionError, match="CF-TX-025"):
            two.other.current_transaction()
        with two.other.run_as(two.other._parts.identity.assert_user("alice")):
            with pytest.raises(TransactionError, match="CF-TX-025"):
                send(two.other)
        with two.shop.no_transaction(), two.other.transaction(), direct.get_connection() as connection:
            connection.exec_driver_sql("INSERT INTO orders VALUES ('nobody', 'tea')")
    assert query(two.other) == 1


def test_two_of_one_name_are_told_apart(tmp_path: Path, profile: ProfileFolder) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    another = ProfileFolder(folder)
    for each in (profile, another):  # whatever else runs in this process has another name
        each.edit('[container]\nname = "shop"', '[container]\nname = "twins"')
    with profile.open() as first, another.open() as second:
        assert first.name == second.name == "twins"
        with first.login("alice", profile.password):
            send(first)
            with pytest.raises(ScopeError, match="CF-OUT-022") as caught:
                send(second)
        assert "of container 'twins#2'" in caught.value.text
        assert "one of container 'twins'." in caught.value.text
        with second.login("alice", another.password) as scope:
            assert scope.container == "twins#2"
            send(second)
            with pytest.raises(ScopeError, match="CF-OUT-022"):
                send(first)
    with profile.open() as again, again.login("alice", profile.password) as scope:
        assert scope.container == "twins"
    sys.modules.pop(another.module, None)


def test_a_scope_says_whose_it_is(two: Two) -> None:
    with two.login(two.other) as scope:
        assert isinstance(scope, Scope)
        assert scope.container == "other"
