"""A connection closed for a credential that is then refused is opened again, by its own user only (AUTHD-3)."""

from __future__ import annotations

from typing import Any

from support_pool import FakeConnection, FakeFactory

from connector.pool.entry import Check, Entry, Permit
from connector.pool.settings import PoolSettings
from connector.pool.state import PoolState


def opened(state: PoolState[None], factory: FakeFactory, user: str, version: int) -> Entry:
    """A free connection of a user's."""
    permit = state.request(factory.plan(user, version=version), 1, 0.0)
    assert isinstance(permit, Permit)
    entry, _ = state.opened(FakeConnection(user), permit, f"{user}-alias", 1, 0.0)
    state.settle(entry, 0.0)
    return entry


def test_a_connection_of_the_same_user_is_opened_again_by_its_former_credential() -> None:
    factory: Any = FakeFactory()
    state: PoolState[None] = PoolState(PoolSettings(1, min_size=0))
    entry = opened(state, factory, "alice", 1)
    state.retire("alice-alias", 2, final=False)
    permit = state.request(factory.plan("alice", version=2), 1, 0.0)
    assert isinstance(permit, Permit)
    assert permit.victim is entry
    restored = state.restoring(permit)
    assert restored is not None
    assert restored.plan is not None
    assert (restored.plan.user, restored.plan.version) == ("alice", 1)


def test_one_that_was_to_be_signed_on_anew_is_not_opened_again_for_its_former_user() -> None:
    factory: Any = FakeFactory()
    state: PoolState[None] = PoolState(PoolSettings(1, min_size=0), reauthenticates=True)
    entry = opened(state, factory, "alice", 1)
    found = state.request(factory.plan("bob", version=2), 1, 0.0)
    assert found is entry
    assert entry.check is Check.REAUTHENTICATE
    permit = state.exchange(entry, 0.0)  # signing on anew broke it: another one is to be opened in its place
    assert isinstance(permit, Permit)
    assert permit.victim is entry
    assert state.restoring(permit) is None, "bob would get a connection of alice's"
