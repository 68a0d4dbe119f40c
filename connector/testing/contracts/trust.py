"""Profile `outbound-security`, third part: a caller's identity on a trusted user's connection (TRUST)."""

from __future__ import annotations

import pytest

from connector.errors import ConnectorError
from connector.spi import Capability
from connector.testing.bench import AdapterBench
from connector.testing.contracts.adapter import AdapterContract
from connector.testing.plans import assertion_of, plan_of
from connector.testing.requirement import requirement

_SWITCH = Capability.IDENTITY_SWITCH


class TrustedIdentityContract(AdapterContract):
    """An asserted identity is verified where it is asserted, and taken back before anybody else gets the connection."""

    @requirement("OUT-TRUST-001", "After a switch the external system sees the asserted caller.", needs=_SWITCH)
    def test_the_caller_is_asserted(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        connection = bench.connect(factory, bench.backend.trusted)
        caller = bench.backend.callers[0]
        connection.switch_identity(assertion_of(caller, factory))
        assert bench.backend.user_of(connection) == connection.describe().user == caller

    @requirement("OUT-TRUST-002", "`cleanup` takes the asserted identity back.", needs=_SWITCH)
    def test_cleanup_takes_the_identity_back(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        connection = bench.connect(factory, bench.backend.trusted)
        connection.switch_identity(assertion_of(bench.backend.callers[0], factory))
        connection.cleanup()
        assert bench.backend.user_of(connection) == bench.backend.trusted.user

    @requirement("OUT-TRUST-003", "One connection serves one caller after the other, each as itself.", needs=_SWITCH)
    def test_one_caller_after_the_other(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        connection = bench.connect(factory, bench.backend.trusted)
        for caller in (*bench.backend.callers, *bench.backend.callers):
            connection.switch_identity(assertion_of(caller, factory))
            assert bench.backend.user_of(connection) == caller
            connection.cleanup()

    @requirement(
        "OUT-TRUST-004",
        "An identity that the external system does not accept is refused with ConnectorError.",
        needs=_SWITCH,
    )
    def test_a_stranger_is_refused(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        connection = bench.connect(factory, bench.backend.trusted)
        with pytest.raises(ConnectorError):
            connection.switch_identity(assertion_of(bench.backend.stranger, factory))

    @requirement("OUT-TRUST-005", "A connection that is not trusted can assert nobody.", needs=_SWITCH)
    def test_an_ordinary_login_can_assert_nobody(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        ordinary = next(login for login in bench.logins if login.user != bench.backend.trusted.user)
        caller = next(caller for caller in bench.backend.callers if caller != ordinary.user)
        connection = bench.connect(factory, ordinary)
        with pytest.raises(ConnectorError):
            connection.switch_identity(assertion_of(caller, factory))

    @requirement(
        "OUT-TRUST-010", "Through the pool one physical connection serves all callers, each as itself.", needs=_SWITCH
    )
    def test_the_pool_serves_all_callers_by_one_connection(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory, max_size=1)
        for caller in (*bench.backend.callers, *bench.backend.callers):
            plan = plan_of(factory, bench.backend.trusted, asserted=caller)
            _, connections = bench.reference(factory, pool, plan)
            with bench.backend.borrowed(connections) as whoami:
                assert whoami() == caller
        assert pool.statistics().created == 1

    @requirement(
        "OUT-TRUST-011", "A refused switch destroys the connection, and the next caller is served.", needs=_SWITCH
    )
    def test_a_refused_switch_spoils_nothing(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        pool = bench.pool(factory, max_size=1)
        trusted, caller = bench.backend.trusted, bench.backend.callers[0]
        _, strangers = bench.reference(factory, pool, plan_of(factory, trusted, asserted=bench.backend.stranger))
        with pytest.raises(Exception), bench.backend.borrowed(strangers) as whoami:
            whoami()
        assert pool.statistics().size == 0
        _, connections = bench.reference(factory, pool, plan_of(factory, trusted, asserted=caller))
        with bench.backend.borrowed(connections) as whoami:
            assert whoami() == caller
