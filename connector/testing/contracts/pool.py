"""Profile `outbound-pool`: the adapter's connection factory over the framework's real pool."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from connector.errors import LoginRefused
from connector.spi import Capability
from connector.testing.backend import UserName
from connector.testing.bench import AdapterBench
from connector.testing.contracts.adapter import AdapterContract
from connector.testing.plans import plan_of
from connector.testing.requirement import Facet, requirement

_THREADS = 4
_ROUNDS = 5
_PATIENCE = 60.0


class OutboundPoolContract(AdapterContract):
    """Handles come back, connections serve again, a refusal leaves no trace, threads don't meet."""

    @requirement("OUT-POOL-001", "A connection that was given back serves the next borrower of its identity.")
    def test_a_connection_serves_again(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory)
        _, connections = bench.reference_of(factory, pool)
        for _ in range(3):
            with bench.backend.borrowed(connections) as whoami:
                whoami()
        assert pool.statistics().created == 1

    @requirement("OUT-POOL-002", "Two handles open at once are two physical connections.")
    def test_two_handles_are_two_connections(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory)
        manager, connections = bench.reference_of(factory, pool)
        with bench.backend.borrowed(connections) as one, bench.backend.borrowed(connections) as other:
            assert one() == other()
            assert pool.statistics().in_use == 2
            assert manager.leases[0].physical is not manager.leases[1].physical

    @requirement("OUT-POOL-003", "Closing a handle gives the connection back; nothing stays lent.")
    def test_closing_a_handle_gives_the_connection_back(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory)
        manager, connections = bench.reference_of(factory, pool)
        with bench.backend.borrowed(connections) as whoami:
            whoami()
        assert all(lease.closed for lease in manager.leases)
        assert (pool.statistics().in_use, pool.statistics().free) == (0, 1)

    @requirement("OUT-POOL-004", "An exception in the application's block gives it back as well.")
    def test_an_exception_gives_the_connection_back(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory)
        manager, connections = bench.reference_of(factory, pool)
        with pytest.raises(KeyError, match="of the application"), bench.backend.borrowed(connections) as whoami:
            whoami()
            raise KeyError("of the application")
        assert all(lease.closed for lease in manager.leases)
        assert pool.statistics().in_use == 0

    @requirement("OUT-POOL-005", "Nothing that one borrower left in the session reaches the next.", needs=Facet.STATE)
    def test_a_session_comes_clean_to_the_next(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        manager, connections = bench.reference_of(factory, bench.pool(factory, max_size=1))
        with bench.backend.borrowed(connections) as whoami:
            whoami()
            bench.backend.soil(manager.physical)
        with bench.backend.borrowed(connections) as whoami:
            whoami()
            assert not bench.backend.is_soiled(manager.physical)

    @requirement(
        "OUT-POOL-006", "A refused login leaves nothing in the pool, and takes no place of it.", needs=Facet.USERS
    )
    def test_a_refused_login_leaves_nothing(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory, max_size=1)
        with pytest.raises(LoginRefused):
            pool.take(plan_of(factory, bench.backend.wrong_password()))
        figures = pool.statistics()
        assert (figures.size, figures.changing, figures.failed_logins) == (0, 0, 1)
        pool.take(plan_of(factory, bench.logins[0])).close()

    @requirement(
        "OUT-POOL-007",
        "A superseded credential's connections are taken out once the newer one has been accepted.",
        needs=Facet.USERS,
    )
    def test_a_superseded_credential_is_retired(self, bench: AdapterBench) -> None:
        factory, login = bench.factory(), bench.logins[0]
        pool = bench.pool(factory)
        for version in (1, 2):
            pool.retire("kit-alias", version)
            plan = plan_of(factory, login, alias="kit-alias", version=version)
            _, connections = bench.reference(factory, pool, plan)
            with bench.backend.borrowed(connections) as whoami:
                assert whoami() == login.user
        assert (pool.statistics().created, pool.statistics().size) == (2, 1)

    @requirement(
        "OUT-POOL-008",
        "A connection that broke while it was free costs a borrower one failure at most.",
        needs=Facet.KILL,
    )
    def test_a_connection_that_broke_while_free_goes(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        manager, connections = bench.reference_of(factory, bench.pool(factory, max_size=1))
        with bench.backend.borrowed(connections) as whoami:
            whoami()
            broken = manager.physical
        bench.backend.kill(broken)
        failures = 0
        try:
            with bench.backend.borrowed(connections) as whoami:
                whoami()
        except Exception:
            failures += 1
        with bench.backend.borrowed(connections) as whoami:
            whoami()
            assert manager.physical is not broken
        assert failures <= 1

    @requirement("OUT-POOL-009", "Closing the pool destroys every connection.")
    def test_closing_the_pool_destroys_all(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory)
        manager, connections = bench.reference_of(factory, pool)
        with bench.backend.borrowed(connections) as whoami:
            whoami()
            connection = manager.physical
        pool.close()
        assert pool.statistics().size == 0
        with pytest.raises(Exception):
            bench.backend.user_of(connection)

    @requirement("OUT-POOL-010", "Many threads on few connections work each as its own user, and lose no connection.")
    def test_threads_do_not_meet(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory, max_size=2, wait=_PATIENCE)
        logins = bench.logins[:2] if bench.login is not None else (None, None)
        at_once = threading.Barrier(_THREADS)

        def work(number: int) -> list[tuple[UserName, UserName]]:
            login = logins[number % 2]
            _, connections = bench.reference(factory, pool, plan_of(factory, login))
            at_once.wait(_PATIENCE)
            seen = []
            for _ in range(_ROUNDS):
                with bench.backend.borrowed(connections) as whoami:
                    seen.append((whoami(), login.user if login is not None else whoami()))
            return seen

        with ThreadPoolExecutor(_THREADS) as threads:
            seen = [pair for each in threads.map(work, range(_THREADS)) for pair in each]
        assert all(actual == expected for actual, expected in seen)
        figures = pool.statistics()
        assert (figures.in_use, figures.changing) == (0, 0)
        assert figures.size == figures.created - figures.destroyed <= 2

    @requirement(
        "OUT-POOL-011",
        "In a full pool another user's connection is signed on anew in place, instead of closed and opened.",
        needs=(Facet.USERS, Capability.REAUTHENTICATION),
    )
    def test_a_full_pool_reauthenticates(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory, max_size=1)
        for login in (*bench.logins, *bench.logins):
            _, connections = bench.reference(factory, pool, plan_of(factory, login))
            with bench.backend.borrowed(connections) as whoami:
                assert whoami() == login.user
        figures = pool.statistics()
        assert (figures.created, figures.destroyed) == (1, 0)
        assert figures.reauthenticated == 2 * len(bench.logins) - 1

    @requirement(
        "OUT-POOL-012",
        "A connection that was refused to be signed on anew leaves the pool, and the next borrower gets a good one.",
        needs=(Facet.USERS, Capability.REAUTHENTICATION),
    )
    def test_a_refused_reauthentication_leaves_the_pool_usable(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory, max_size=1)
        pool.take(plan_of(factory, bench.logins[1])).close()
        with pytest.raises(LoginRefused):
            pool.take(plan_of(factory, bench.backend.wrong_password()))
        _, connections = bench.reference(factory, pool, plan_of(factory, bench.logins[1]))
        with bench.backend.borrowed(connections) as whoami:
            assert whoami() == bench.logins[1].user
        figures = pool.statistics()
        assert (figures.created, figures.destroyed, figures.failed_logins) == (2, 1, 1)
