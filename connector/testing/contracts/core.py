"""Profile `outbound-core`: what a managed connection factory and a managed connection are."""

from __future__ import annotations

import pytest

from connector.errors import AccessDenied, LoginRefused, SignOnError
from connector.spi import SPI_VERSION, Capability, ManagedConnection, PasswordCredential, Subject
from connector.testing.bench import AdapterBench
from connector.testing.contracts.adapter import AdapterContract, on_another_thread
from connector.testing.requirement import Facet, requirement

#: How a factory may decline to open a connection for lack of a fitting credential.
DECLINED = (SignOnError, LoginRefused, AccessDenied)


class OutboundCoreContract(AdapterContract):
    """Create, clean up, destroy, describe; a credential of its own factory only; null and empty subjects."""

    @requirement("OUT-CORE-001", "`ra.toml` is right, can be read without importing the adapter and covers this SPI.")
    def test_the_declaration_covers_this_spi(self, bench: AdapterBench) -> None:
        assert bench.descriptor.supports(SPI_VERSION)

    @requirement(
        "OUT-CORE-002", "Making a factory does not connect: it succeeds while nobody answers.", needs=Facet.NETWORK
    )
    def test_making_a_factory_does_not_connect(self, bench: AdapterBench) -> None:
        assert bench.factory(bench.backend.unreachable()) is not None

    @requirement("OUT-CORE-003", "Making the connection factory of a reference borrows nothing.")
    def test_a_look_up_borrows_nothing(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        manager, connections = bench.reference_of(factory, bench.pool(factory))
        assert connections is not None
        assert manager.leases == []

    @requirement(
        "OUT-CORE-004",
        "A resource narrows what its adapter declares to capabilities, and the same each time it is asked.",
    )
    def test_a_resource_always_has_the_same_capabilities(self, bench: AdapterBench) -> None:
        declared, factory = bench.descriptor.capabilities, bench.factory()
        answers = [each.effective_capabilities(declared) for each in (factory, factory, bench.factory())]
        assert all(isinstance(capability, Capability) for answer in answers for capability in answer)
        assert len({frozenset(answer) for answer in answers}) == 1

    @requirement("OUT-CORE-010", "A factory opens a managed connection that the external system answers on.")
    def test_a_connection_is_opened(self, bench: AdapterBench) -> None:
        connection = bench.connect(bench.factory(), bench.login)
        assert isinstance(connection, ManagedConnection)
        bench.backend.user_of(connection)

    @requirement("OUT-CORE-011", "Two connections are two: never equal, and usable as keys.")
    def test_connections_are_compared_by_identity(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        one, other = bench.connect(factory, bench.login), bench.connect(factory, bench.login)
        assert one is not other
        assert one != other
        assert len({one, other}) == 2

    @requirement("OUT-CORE-012", "`describe` names the product and its version.")
    def test_describe_names_product_and_version(self, bench: AdapterBench) -> None:
        described = bench.connect(bench.factory(), bench.login).describe()
        assert described.product.strip()
        assert described.version.strip()

    @requirement(
        "OUT-CORE-013", "`describe` names the user that the external system sees, as it spells it.", needs=Facet.USERS
    )
    def test_describe_names_the_user_signed_on(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        for login in bench.logins:
            connection = bench.connect(factory, login)
            assert connection.describe().user == bench.backend.user_of(connection) == login.user

    @requirement("OUT-CORE-020", "`cleanup` keeps the physical connection, also when it is called twice.")
    def test_cleanup_keeps_the_connection(self, bench: AdapterBench) -> None:
        connection = bench.connect(bench.factory(), bench.login)
        before = bench.backend.user_of(connection)
        connection.cleanup()
        connection.cleanup()
        assert bench.backend.user_of(connection) == before

    @requirement("OUT-CORE-021", "`cleanup` takes back what its user did to the session.", needs=Facet.STATE)
    def test_cleanup_takes_back_the_session(self, bench: AdapterBench) -> None:
        connection = bench.connect(bench.factory(), bench.login)
        bench.backend.soil(connection)
        assert bench.backend.is_soiled(connection), "the backend's `soil` leaves nothing that could be taken back"
        connection.cleanup()
        assert not bench.backend.is_soiled(connection)

    @requirement("OUT-CORE-022", "`destroy` ends the connection and is harmless when it is called twice.")
    def test_destroy_ends_it_and_may_come_twice(self, bench: AdapterBench) -> None:
        connection = bench.connect(bench.factory(), bench.login)
        connection.destroy()
        connection.destroy()
        with pytest.raises(Exception):
            bench.backend.user_of(connection)

    @requirement("OUT-CORE-023", "A connection may be used, cleaned up and destroyed on other threads than its own.")
    def test_a_connection_goes_from_thread_to_thread(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        connection = on_another_thread(lambda: bench.connect(factory, bench.login))
        before = bench.backend.user_of(connection)
        on_another_thread(connection.cleanup)
        assert on_another_thread(lambda: bench.backend.user_of(connection)) == before
        on_another_thread(connection.destroy)

    @requirement(
        "OUT-CORE-030", "Among several credentials a factory uses its own, wherever it stands.", needs=Facet.USERS
    )
    def test_the_factory_s_own_credential_is_used(self, bench: AdapterBench) -> None:
        factory, other = bench.factory(), bench.factory()
        foreign, own = bench.logins[:2]
        held = [
            PasswordCredential(foreign.user, foreign.password, other),
            PasswordCredential(foreign.user, foreign.password),
            PasswordCredential(own.user, own.password, factory),
        ]
        connection = bench.open(factory, Subject(credentials=held, read_only=True))
        assert bench.backend.user_of(connection) == own.user

    @requirement("OUT-CORE-031", "A credential of another factory, or of none, is never used.", needs=Facet.USERS)
    def test_a_foreign_credential_is_never_used(self, bench: AdapterBench) -> None:
        factory, other = bench.factory(), bench.factory()
        foreign = bench.logins[0]
        for owner in (other, None):
            subject = Subject(credentials=[PasswordCredential(foreign.user, foreign.password, owner)], read_only=True)
            try:
                connection = bench.open(factory, subject)
            except DECLINED:
                continue
            assert bench.backend.user_of(connection) != foreign.user

    @requirement(
        "OUT-CORE-032",
        "A null subject means the factory's own defaults: it opens a connection, or declines with SignOnError.",
    )
    def test_a_null_subject_means_the_factory_s_defaults(self, bench: AdapterBench) -> None:
        try:
            connection = bench.open(bench.factory(), None)
        except SignOnError:
            return
        bench.backend.user_of(connection)

    @requirement(
        "OUT-CORE-033",
        "An empty subject means nobody: never the factory's default user, and nobody's login.",
        needs=Facet.USERS,
    )
    def test_an_empty_subject_means_nobody(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        try:
            anonymous = bench.backend.user_of(bench.open(factory, Subject(read_only=True)))
        except DECLINED:
            return
        try:
            default = bench.backend.user_of(bench.open(factory, None))
        except DECLINED:
            default = None
        assert anonymous not in {login.user for login in bench.logins}
        assert anonymous is None or anonymous != default

    @requirement("OUT-CORE-040", "`validate` says yes of a good connection.", needs=Capability.VALIDATION)
    def test_a_good_connection_is_valid(self, bench: AdapterBench) -> None:
        connection = bench.connect(bench.factory(), bench.login)
        assert connection.validate() is True
        bench.backend.user_of(connection)

    @requirement(
        "OUT-CORE-041",
        "`validate` says no of a connection that was broken from outside, and does not raise.",
        needs=(Capability.VALIDATION, Facet.KILL),
    )
    def test_a_broken_connection_is_not_valid(self, bench: AdapterBench) -> None:
        connection = bench.connect(bench.factory(), bench.login)
        bench.backend.kill(connection)
        assert connection.validate() is False

    @requirement("OUT-CORE-042", "`match` chooses one of its candidates, or none of none.", needs=Capability.MATCHING)
    def test_match_chooses_among_its_candidates(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        candidates = (bench.connect(factory, bench.login), bench.connect(factory, bench.login))
        assert factory.match((), None, None) is None
        assert factory.match(candidates, None, None) in (None, *candidates)
