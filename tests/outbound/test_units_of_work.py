"""Connections within a unit of work, over an adapter without a wire: who is enlisted, shared, given back, destroyed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextvars import copy_context
from pathlib import Path

import pytest
from support_secrets import MARKER
from support_signon import ALICE, BOB, BUILT_IN, Factory, container_managed, target
from support_transactions import FakeParticipant, FakeResource, refuse, transactions_in

from connector.errors import HandleClosed, LoginRefused, Reason, ScopeError, TransactionError
from connector.outbound.enlistment import connections_of
from connector.outbound.manager import ReferenceConnectionManager
from connector.pool.pool import ManagedConnectionPool
from connector.pool.settings import PoolSettings
from connector.security.audit import MemoryAuditLog
from connector.security.authdata import AuthDataService
from connector.security.scope import open_scope
from connector.signon.resolver import SignOnResolver
from connector.spi import (
    AuthenticationData,
    Capability,
    ConnectionDescription,
    ConnectionRequestInfo,
    IdentityAssertion,
    ManagedConnection,
    ProgressListener,
    Secret,
    Subject,
    TransactionParticipant,
    UnitOfWork,
)
from connector.transactions.service import Transactions


class Store:
    """Authentication data at rest."""

    read_only = True

    def load(self) -> Mapping[str, AuthenticationData]:
        return {"trusted": AuthenticationData("trusted", "door", Secret(MARKER))}

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        raise NotImplementedError

    def remove(self, alias: str) -> bool:
        raise NotImplementedError

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        raise NotImplementedError


REFUSED = Reason("CF-TEST-TX-003", "refused", "")


class Session(ManagedConnection):
    """Takes part in units as its factory's resource says."""

    def __init__(self, factory: Sessions) -> None:
        self.factory = factory
        self.works_as = "door"
        self.cleaned = self.destroyed = 0

    def take_part(self, unit: UnitOfWork) -> TransactionParticipant | None:
        if self.factory.refuses_units:
            raise LoginRefused(REFUSED)
        if self.factory.has_a_branch_already:
            return None
        return FakeParticipant(self.factory.resource, two_phase=True)

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        self.works_as = asserted.user

    def cleanup(self) -> None:
        self.cleaned += 1
        self.works_as = "door"

    def destroy(self) -> None:
        self.destroyed += 1

    def describe(self) -> ConnectionDescription:
        return ConnectionDescription("Ledger", "1.0", self.works_as)


class Sessions(Factory):
    """Opens sessions and keeps them."""

    def __init__(self) -> None:
        self.opened: list[Session] = []
        self.resource = FakeResource("jdbc/ledger")
        self.refuses_units = False
        self.has_a_branch_already = False

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection:
        self.opened.append(Session(self))
        return self.opened[-1]


class World:
    """One reference over one pool."""

    def __init__(self, *capabilities: Capability) -> None:
        audit = MemoryAuditLog()
        self.factory = Sessions()
        resource = target(self.factory, capabilities=frozenset({Capability.IDENTITY_SWITCH, *capabilities}))
        auth_data = AuthDataService(Store(), audit)
        self.pool = ManagedConnectionPool(
            "jdbc/ledger", self.factory, PoolSettings(max_size=3), capabilities=resource.capabilities
        )
        reference = container_managed("TrustedConnectionMapping", alias="trusted")
        sign_on = SignOnResolver(auth_data, BUILT_IN, audit)
        self.manager = ReferenceConnectionManager(reference, resource, sign_on, self.pool, auth_data)

    @property
    def calls(self) -> list[str]:
        return self.factory.resource.calls

    @property
    def lent(self) -> int:
        return self.pool.statistics().in_use


def scope(subject: Subject) -> open_scope:
    return open_scope(subject, realm="weather", container="test", origin="test")


@pytest.fixture
def transactions(tmp_path: Path) -> Iterator[Transactions]:
    made = transactions_in(tmp_path / "t")
    yield made
    made.close()


def test_a_handle_is_closed_and_the_connection_stays_until_the_end(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    with scope(ALICE), transactions.unit():
        lease = world.manager.allocate()
        lease.close()
        assert lease.closed
        assert (world.lent, world.factory.opened[0].cleaned) == (1, 0)
    assert world.calls == ["commit:one-phase"]
    assert (world.lent, world.factory.opened[0].cleaned) == (0, 1)


def test_one_caller_shares_and_another_does_not(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    with transactions.unit():
        with scope(ALICE):
            first, second = world.manager.allocate(), world.manager.allocate()
            assert first.physical is second.physical
        with scope(BOB):
            third = world.manager.allocate()
            assert third.physical is not world.factory.opened[0]
            assert third.physical.describe().user == "bob"
        with scope(ALICE):
            assert world.manager.allocate().physical is world.factory.opened[0]
    assert world.calls == ["prepare", "prepare", "commit", "commit"]


def test_a_handle_ends_with_its_scope_and_what_it_did_with_the_unit(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    with transactions.unit():
        with scope(ALICE):
            lease = world.manager.allocate()
        with pytest.raises(HandleClosed, match="the test had ended"):
            _ = lease.physical
        assert world.lent == 1
    assert world.calls == ["commit:one-phase"]


def test_a_handle_ends_with_its_unit(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    with scope(ALICE):
        with transactions.unit():
            lease = world.manager.allocate()
        assert lease.closed
        with pytest.raises(HandleClosed, match="unit had ended"):
            _ = lease.physical
        lease.close()
        lease.invalidate()
    assert world.factory.opened[0].destroyed == 0


def test_an_adapter_that_takes_no_part_lends_as_ever(transactions: Transactions) -> None:
    world = World()
    with scope(ALICE), transactions.unit():
        first, second = world.manager.allocate(), world.manager.allocate()
        assert first.physical is not second.physical
        first.close()
        assert world.factory.opened[0].cleaned == 1
        second.close()
    assert world.calls == []


def test_with_local_transactions_only_it_is_a_last_resource_whatever_it_says(transactions: Transactions) -> None:
    world, bank = World(Capability.LOCAL_TRANSACTION), FakeResource("bank")
    with scope(ALICE), transactions.unit() as unit:
        world.manager.allocate()
        unit.enlist(FakeParticipant(bank))
    assert world.calls == ["commit:one-phase"]
    assert bank.calls == ["prepare", "commit"]


def test_a_lost_connection_dooms_the_unit_and_is_not_asked_to_roll_back(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    with pytest.raises(TransactionError, match=r"jdbc/ledger was lost \(OSError\)"), scope(ALICE), transactions.unit():
        world.manager.allocate().invalidate(OSError("reset by peer"))
        with pytest.raises(TransactionError) as caught:
            world.manager.allocate()
        assert caught.value.code == "CF-TX-004"
    assert world.calls == []
    assert (world.lent, world.factory.opened[0].destroyed) == (0, 1)


@pytest.mark.parametrize("call", ["commit:one-phase", "rollback"])
def test_one_whose_end_fails_serves_nobody_any_more(transactions: Transactions, call: str) -> None:
    world = World(Capability.TWO_PHASE)
    world.factory.resource.on_call = refuse(call)
    with scope(ALICE):
        unit = transactions.begin()
        world.manager.allocate()
        if call == "rollback":
            transactions.rollback()
        else:
            with pytest.raises(TransactionError):
                transactions.commit()
        assert unit.local == {}
    assert (world.lent, world.factory.opened[0].destroyed) == (0, 1)


def test_one_that_can_not_take_part_is_not_kept(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    world.factory.refuses_units = True
    with scope(ALICE), transactions.unit():
        with pytest.raises(LoginRefused):
            world.manager.allocate()
    assert world.lent == 0
    assert world.calls == []


def test_one_whose_adapter_has_a_branch_already_is_none_of_its_own_and_stays_until_the_end(
    transactions: Transactions,
) -> None:
    world = World(Capability.LOCAL_TRANSACTION)
    world.factory.has_a_branch_already = True
    last = FakeResource("jms/in")
    with scope(ALICE), transactions.unit() as unit:
        unit.enlist(FakeParticipant(last, two_phase=False))
        first, second = world.manager.allocate(), world.manager.allocate()
        assert first.physical is second.physical
        first.close()
        assert (world.lent, world.factory.opened[0].cleaned) == (1, 0)
    assert (world.calls, last.calls) == ([], ["commit:one-phase"])
    assert (world.lent, world.factory.opened[0].cleaned) == (0, 1)


def test_such_a_one_that_is_lost_lets_the_unit_only_be_rolled_back(transactions: Transactions) -> None:
    world = World(Capability.LOCAL_TRANSACTION)
    world.factory.has_a_branch_already = True
    with scope(ALICE):
        unit = transactions.begin()
        world.manager.allocate().invalidate()
        assert unit.rollback_only
        transactions.rollback()
    assert (world.lent, world.factory.opened[0].destroyed) == (0, 1)


def test_a_caller_who_has_left_gets_none(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    with transactions.unit():
        with scope(ALICE):
            plan = world.manager.current_plan()
        leaving = scope(BOB)
        with leaving as left:
            left.open = False
            with pytest.raises(ScopeError):
                world.manager.allocate()
            with pytest.raises(ScopeError):
                world.manager.allocate(plan=plan)
    assert world.factory.opened == []


def left_behind(world: World) -> tuple[Session, threading.Event, threading.Thread]:
    """A thread of the unit in force, in the middle of a call on a connection; goes on when it is told to."""
    begun, go_on = threading.Event(), threading.Event()
    at_work: list[Session] = []

    def call() -> None:
        handle = world.manager.allocate()
        physical = handle.physical
        assert isinstance(physical, Session)
        at_work.append(physical)
        begun.set()
        go_on.wait(10)
        handle.close()

    thread = threading.Thread(target=copy_context().run, args=(call,))
    thread.start()
    assert begun.wait(10)
    return at_work[0], go_on, thread


def test_one_that_a_thread_left_behind_still_uses_is_lent_to_nobody_else(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    with scope(ALICE), transactions.unit():
        used, go_on, thread = left_behind(world)
        assert used.works_as == "alice"
    try:
        with scope(BOB), world.manager.allocate() as lease:
            assert lease.physical is not used
            assert (used.works_as, used.destroyed) != ("bob", 0)
    finally:
        go_on.set()
        thread.join(10)


def test_one_that_every_thread_has_closed_goes_back(transactions: Transactions) -> None:
    world = World(Capability.TWO_PHASE)
    with scope(ALICE), transactions.unit():
        used, go_on, thread = left_behind(world)
        go_on.set()
        thread.join(10)
        assert world.manager.allocate().physical is used  # and this handle is left open, by the unit's own thread
    assert (used.cleaned, used.destroyed) == (1, 0)


def test_one_that_comes_when_the_unit_has_ended_meanwhile_is_not_kept(transactions: Transactions) -> None:
    world = World(Capability.LOCAL_TRANSACTION)
    world.factory.has_a_branch_already = True  # so that it is not the unit that refuses to enlist it
    with scope(ALICE):
        unit = transactions.begin()
        connections, plan = connections_of(unit), world.manager.current_plan()
        checked = unit.require_active

        def end_meanwhile() -> None:
            unit.require_active = checked  # type: ignore[method-assign]
            checked()
            transactions.rollback()

        unit.require_active = end_meanwhile  # type: ignore[method-assign]
        with pytest.raises(TransactionError, match="CF-TX-001"):
            connections.lease(plan, world.pool.take, shareable=True, two_phase=False)
    assert world.lent == 0
