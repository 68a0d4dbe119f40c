"""Adapters and modules that each break one requirement: the kit must notice every one of them. Run by test_the_kit.py."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from support_kit import DefaultMappingBackend

from connector.errors import AccessDenied, ConnectionFailed, LoginRefused, Reason
from connector.spi import (
    ConnectionDescription,
    ConnectionManager,
    ConnectionRequestInfo,
    Dependency,
    IdentityAssertion,
    ManagedConnection,
    ManagedConnectionFactory,
    PasswordCredential,
    ResourceAdapter,
    Subject,
)
from connector.testing import MapperContract, OutboundContract
from connector_default import DefaultPrincipalMappingModule
from connector_echo.conformance import EchoBackend
from connector_echo.connection import EchoConnection, EchoManagedConnection
from connector_echo.factory import EchoConnectionFactory, EchoManagedConnectionFactory

SHOWS = Reason("CF-SABOTEUR-001", "{why}", "")


class Connection(EchoManagedConnection):
    """What each saboteur changes; made from the connection that the honest factory opened."""


class Factory(ManagedConnectionFactory):
    """An echo factory whose connections are of another class."""

    connection: ClassVar[type[EchoManagedConnection]] = EchoManagedConnection

    def __init__(self, honest: EchoManagedConnectionFactory) -> None:
        self.honest = honest

    def create_connection_factory(self, manager: ConnectionManager) -> Any:
        return EchoConnectionFactory(manager)

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection:
        return self.opened(self.own(subject), request)

    def own(self, subject: Subject | None) -> Subject | None:
        """The subject with this factory's credential made out to the honest one."""
        found = subject.password_credential(self) if subject is not None else None
        return subject if found is None else self.made_out(found)

    def made_out(self, found: PasswordCredential) -> Subject:
        return Subject(credentials=[PasswordCredential(found.user, found.password, self.honest)])

    def opened(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> ManagedConnection:
        made = self.honest.create_managed_connection(subject, request)
        made.__class__ = self.connection
        made._factory = self  # type: ignore[attr-defined]
        return made


class Backend(EchoBackend):
    """An echo backend whose factories are sabotaged."""

    factory: ClassVar[type[Factory]] = Factory

    def create_factory(self, adapter: ResourceAdapter, properties: Mapping[str, Any]) -> ManagedConnectionFactory:
        honest = super().create_factory(adapter, properties)
        assert isinstance(honest, EchoManagedConnectionFactory)
        return self.factory(honest)


class Sabotage(OutboundContract):
    """One saboteur; subclasses name the requirement that it breaks in their class's name."""

    factory: ClassVar[type[Factory]] = Factory
    connection: ClassVar[type[EchoManagedConnection] | None] = None

    @pytest.fixture
    def connector_backend(self) -> Iterator[Backend]:
        kind = type(f"{type(self).__name__}Factory", (self.factory,), {"connection": self.connection or Connection})
        with type(type(self).__name__, (Backend,), {"factory": kind})() as backend:
            yield backend


class TestNothing(Sabotage):
    """Sabotages nothing: must pass."""


class TestEqualConnections_OUT_CORE_011(Sabotage):
    class connection(Connection):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1


class TestDescribesNothing_OUT_CORE_012(Sabotage):
    class connection(Connection):
        def describe(self) -> ConnectionDescription:
            return ConnectionDescription("", "", super().describe().user)


class TestDescribesAnotherUser_OUT_CORE_013(Sabotage):
    class connection(Connection):
        def describe(self) -> ConnectionDescription:
            return ConnectionDescription("Echo", "1", "somebody")


class TestCleanupCloses_OUT_CORE_020(Sabotage):
    class connection(Connection):
        def cleanup(self) -> None:
            self.wire.close()


class TestCleanupForgetsNothing_OUT_CORE_021_OUT_POOL_005_OUT_TRUST_002(Sabotage):
    class connection(Connection):
        def cleanup(self) -> None:
            pass


class TestDestroyOnlyOnce_OUT_CORE_022(Sabotage):
    class connection(Connection):
        gone = False

        def destroy(self) -> None:
            assert not self.gone
            self.gone = True
            super().destroy()


class TestDestroyKeeps_OUT_CORE_022_OUT_POOL_009(Sabotage):
    class connection(Connection):
        def destroy(self) -> None:
            pass


class TestTakesAnyCredential_OUT_CORE_030_OUT_CORE_031(Sabotage):
    class factory(Factory):
        def own(self, subject: Subject | None) -> Subject | None:
            if subject is None or not subject.credentials:
                return subject
            return self.made_out(subject.credentials_of(PasswordCredential)[0])


class TestNullSubjectCrashes_OUT_CORE_032(Sabotage):
    class factory(Factory):
        def own(self, subject: Subject | None) -> Subject | None:
            if subject is None:
                raise AttributeError("'NoneType' object has no attribute 'credentials'")
            return super().own(subject)


class TestAlwaysInvalid_OUT_CORE_040(Sabotage):
    class connection(Connection):
        def validate(self) -> bool:
            return False


class TestAlwaysValid_OUT_CORE_041(Sabotage):
    class connection(Connection):
        def validate(self) -> bool:
            return True


class TestPasswordInRepr_OUT_SEC_001(Sabotage):
    class factory(Factory):
        def made_out(self, found: PasswordCredential) -> Subject:
            self.seen = found.password.reveal()
            return super().made_out(found)

        def __repr__(self) -> str:
            return f"Factory({self.seen})"


class TestPasswordInLog_OUT_SEC_002(Sabotage):
    class factory(Factory):
        def made_out(self, found: PasswordCredential) -> Subject:
            logging.getLogger("saboteur").debug("signing on with %s", found.password.reveal())
            return super().made_out(found)


class TestRefusalIsAFailure_OUT_SEC_010(Sabotage):
    class factory(Factory):
        def opened(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> ManagedConnection:
            try:
                return super().opened(subject, request)
            except LoginRefused:
                raise ConnectionFailed(SHOWS, why="no") from None


class TestPasswordInAFrame_OUT_SEC_011_OUT_SEC_013(Sabotage):
    class factory(Factory):
        def opened(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> ManagedConnection:
            plain = subject.credentials[0].password.reveal() if subject and subject.credentials else ""
            made = super().opened(subject, request)
            assert plain is not None
            return made


class TestFailureIsARefusal_OUT_SEC_012(Sabotage):
    class factory(Factory):
        def opened(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> ManagedConnection:
            try:
                return super().opened(subject, request)
            except ConnectionFailed as error:
                raise LoginRefused(SHOWS, why="no") from error


class TestBreaksSilently_OUT_SEC_031(Sabotage):
    class connection(Connection):
        def connection_error_occurred(self, cause: BaseException | None = None) -> None:
            pass

        def cleanup(self) -> None:
            pass


class TestReauthenticatesNobody_OUT_SEC_040(Sabotage):
    class connection(Connection):
        def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            pass


class TestAssertsNobody_OUT_TRUST_001_OUT_TRUST_004_OUT_TRUST_010(Sabotage):
    class connection(Connection):
        def switch_identity(self, asserted: IdentityAssertion) -> None:
            pass


class TestRefusesLate_OUT_TRUST_004(Sabotage):
    class connection(Connection):
        def switch_identity(self, asserted: IdentityAssertion) -> None:
            try:
                super().switch_identity(asserted)
            except AccessDenied:
                pass


class TestHandlesLeak_OUT_POOL_003_OUT_POOL_004(Sabotage):
    class factory(Factory):
        def create_connection_factory(self, manager: ConnectionManager) -> Any:
            kept: list[object] = []

            class Leaking(EchoConnection):
                def close(self) -> None:
                    kept.append(self._lease)

            class Connections:
                def get_connection(self) -> EchoConnection:
                    return Leaking(manager.allocate())

            return Connections()


class TestBorrowsAtLookUp_OUT_CORE_003(Sabotage):
    class factory(Factory):
        def create_connection_factory(self, manager: ConnectionManager) -> Any:
            manager.allocate().close()
            return super().create_connection_factory(manager)


class SabotagedMapping(MapperContract):
    """One sabotaged module."""

    module: ClassVar[type[DefaultPrincipalMappingModule]]

    @pytest.fixture
    def connector_mapper(self) -> DefaultMappingBackend:
        made = type(type(self).__name__, (DefaultMappingBackend,), {"module": self.module})()
        assert isinstance(made, DefaultMappingBackend)
        return made
