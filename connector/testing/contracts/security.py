"""Profile `outbound-security`, first part: secrets, refusals, and one identity a connection."""

from __future__ import annotations

import pytest

from connector.errors import ConnectionFailed, LoginRefused
from connector.spi import Capability, ManagedConnection, ManagedConnectionFactory
from connector.testing.backend import Login
from connector.testing.bench import AdapterBench
from connector.testing.contracts.adapter import AdapterContract
from connector.testing.disclosure import disclosures, watched_logs
from connector.testing.plans import plan_of
from connector.testing.requirement import Facet, requirement


class OutboundSecurityContract(AdapterContract):
    """The password is nowhere to be seen; who is refused is refused; two identities never share."""

    @requirement(
        "OUT-SEC-001", "The password is in no text and no pickle of factory, connection or handle.", needs=Facet.USERS
    )
    def test_the_password_is_in_no_text_and_no_pickle(self, bench: AdapterBench) -> None:
        factory, login = bench.factory(), bench.logins[0]
        manager, connections = bench.reference(factory, bench.pool(factory), plan_of(factory, login))
        with bench.backend.borrowed(connections) as whoami:
            whoami()
            connection = manager.physical
            shown = {
                type(value).__name__: found
                for value in (
                    factory,
                    connections,
                    connection,
                    connection.describe(),
                    manager.leases[-1],
                    bench.adapter,
                )
                if (found := disclosures(value, login.password))
            }
        assert not shown

    @requirement("OUT-SEC-002", "The password is in no log record, at any level.", needs=Facet.USERS)
    def test_the_password_is_in_no_log_record(self, bench: AdapterBench) -> None:
        login, wrong = bench.logins[0], bench.backend.wrong_password()
        with watched_logs(login.password) as right, watched_logs(wrong.password) as refused:
            factory = bench.factory()
            with pytest.raises(LoginRefused):
                bench.connect(factory, wrong)
            pool = bench.pool(factory)
            _, connections = bench.reference(factory, pool, plan_of(factory, login))
            with bench.backend.borrowed(connections) as whoami:
                whoami()
            pool.close()
        assert right == []
        assert refused == []

    @requirement("OUT-SEC-010", "A wrong password is refused with LoginRefused.", needs=Facet.USERS)
    def test_a_wrong_password_is_refused(self, bench: AdapterBench) -> None:
        with pytest.raises(LoginRefused):
            bench.connect(bench.factory(), bench.backend.wrong_password())

    @requirement(
        "OUT-SEC-011",
        "The refusal shows the password nowhere: not in its text, pickle or causes, nor in a frame of its traceback.",
        needs=Facet.USERS,
    )
    def test_a_refusal_shows_no_password(self, bench: AdapterBench) -> None:
        wrong = bench.backend.wrong_password()
        error = _failure_of(bench.factory(), bench, wrong)
        shown = disclosures(error, wrong.password)
        assert not shown

    @requirement(
        "OUT-SEC-012",
        "A system that nobody answers for raises ConnectionFailed that is worth a retry, not LoginRefused.",
        needs=Facet.NETWORK,
    )
    def test_an_unreachable_system_is_no_refusal(self, bench: AdapterBench) -> None:
        error = _failure_of(bench.factory(bench.backend.unreachable()), bench, bench.login)
        assert isinstance(error, ConnectionFailed)
        assert not isinstance(error, LoginRefused)
        assert error.retryable

    @requirement("OUT-SEC-013", "That failure shows the password nowhere either.", needs=(Facet.NETWORK, Facet.USERS))
    def test_a_failure_to_connect_shows_no_password(self, bench: AdapterBench) -> None:
        login = bench.logins[0]
        error = _failure_of(bench.factory(bench.backend.unreachable()), bench, login)
        shown = disclosures(error, login.password)
        assert not shown

    @requirement(
        "OUT-SEC-020", "Connections of two logins, open at once, are each signed on as their own.", needs=Facet.USERS
    )
    def test_each_connection_is_signed_on_as_its_own(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        connections = [(bench.connect(factory, login), login.user) for login in bench.logins]
        for connection, user in reversed(connections):
            assert bench.backend.user_of(connection) == user

    @requirement("OUT-SEC-021", "Two identities never share a connection, however small the pool.", needs=Facet.USERS)
    def test_two_identities_never_share(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory, max_size=1, without=Capability.REAUTHENTICATION)
        for login in (*bench.logins, *bench.logins):
            _, connections = bench.reference(factory, pool, plan_of(factory, login))
            with bench.backend.borrowed(connections) as whoami:
                assert whoami() == login.user

    @requirement("OUT-SEC-030", "A connection that breaks in use makes the application's call raise.", needs=Facet.KILL)
    def test_a_broken_connection_makes_the_call_raise(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        manager, connections = bench.reference_of(factory, bench.pool(factory))
        killed: list[ManagedConnection] = []
        with pytest.raises(Exception), bench.backend.borrowed(connections) as whoami:
            whoami()
            bench.backend.kill(manager.physical)
            killed.append(manager.physical)
            whoami()
        assert killed, "the connection could not be broken at all"

    @requirement("OUT-SEC-031", "It is reported to the pool, which never lends it again.", needs=Facet.KILL)
    def test_a_broken_connection_is_reported_and_never_lent_again(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory, max_size=1)
        manager, connections = bench.reference_of(factory, pool)
        killed: list[ManagedConnection] = []
        with pytest.raises(Exception), bench.backend.borrowed(connections) as whoami:
            whoami()
            bench.backend.kill(manager.physical)
            killed.append(manager.physical)
            whoami()
        assert killed, "the connection could not be broken at all"
        with bench.backend.borrowed(connections) as whoami:
            whoami()
            assert manager.physical is not killed[0]
        assert pool.statistics().destroyed >= 1


def _failure_of(factory: ManagedConnectionFactory, bench: AdapterBench, login: Login | None) -> BaseException:
    """What opening a connection raises, whatever it is."""
    try:
        bench.connect(factory, login)
    except Exception as error:
        return error
    pytest.fail("a connection was opened")
