"""Adapters and modules that each break some requirement: the kit must notice. Run by tests/kit/test_the_kit.py."""

# ruff: noqa: N801 - what is sabotaged is named like what it stands for

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from support_async_saboteurs import (  # noqa: F401 - run from here, with the others
    TestAbortDoesNothing,
    TestAbortNeedsItsLoop,
    TestAlwaysInvalidOnTheLoop,
    TestAlwaysValidOnTheLoop,
    TestAssertsNobodyOnTheLoop,
    TestBlocksTheLoop,
    TestBlocksTheLoopByItsHandle,
    TestBlocksTheLoopWhileItAsserts,
    TestBreaksSilentlyOnTheLoop,
    TestCleansUpHalfWhenCancelled,
    TestCleanupClosesOnTheLoop,
    TestCleanupForgetsNothingOnTheLoop,
    TestDescribesAnotherUserOnTheLoop,
    TestDescribesNothingOnTheLoop,
    TestDestroyKeepsOnTheLoop,
    TestDestroyOnlyOnceOnTheLoop,
    TestEqualOnTheLoop,
    TestFailureIsARefusalOnTheLoop,
    TestForgetsToAwait,
    TestHandlesLeakOnTheLoop,
    TestHandlesLiveOn,
    TestLeavesATask,
    TestLeavesAThread,
    TestNullSubjectCrashesOnTheLoop,
    TestPasswordInAFrameOnTheLoop,
    TestPasswordInLogOnTheLoop,
    TestPasswordInReprOnTheLoop,
    TestReauthenticatesNobodyOnTheLoop,
    TestRefusalIsAFailureOnTheLoop,
    TestRefusesLateOnTheLoop,
    TestSharesAmongLoops,
    TestSignsOnAsTheFirstOnTheLoop,
    TestSwallowsCancellation,
    TestTakesAnyCredentialOnTheLoop,
)
from support_inbound_saboteurs import (  # noqa: F401 - run from here, with the others
    TestAdmitsAnybody,
    TestAnswersNoQuestion,
    TestBeginsWithNothing,
    TestCountsAfterTheEnd,
    TestDeliversTwice,
    TestDoesNotCount,
    TestDropsTheDenied,
    TestEndsOnce,
    TestForgetsRunAs,
    TestHangsWithItsHandler,
    TestHasNoPatience,
    TestIsAlwaysWell,
    TestIsDeaf,
    TestIsHasty,
    TestIsSlow,
    TestKeepsACopy,
    TestKeepsNoOrder,
    TestKeepsOrderAlways,
    TestLetsGoTooEarly,
    TestLosesProperties,
    TestLosesWhatItGivesUp,
    TestMixesUpSenders,
    TestNeverComesToTheEnd,
    TestNeverEnds,
    TestRepliesAsNobody,
    TestSettlesWhateverBecomesOfIt,
    TestTakesAnOutageForAFailure,
    TestTakesAPauseForAFailure,
    TestTakesEqualsForOne,
    TestTakesEverybodyForBob,
)
from support_kit import DefaultMappingBackend
from support_registry_saboteurs import (  # noqa: F401 - run from here, with the others
    TestFoldsNames,
    TestHasNoRealm,
    TestHasNoVerifierOfNobody,
    TestHasOneUniqueNameForAll,
    TestHasOneVerifierForAll,
    TestKeepsPasswords,
    TestKeepsVerifiers,
    TestKeepsWhoWasNotThere,
    TestKeepsWhoWasThere,
    TestKnowsAsciiOnly,
    TestListsInNoOrder,
    TestMixesUpWhatThreadsAsk,
    TestPutsEverybodyInAllGroups,
    TestSaysNoWhenOutOfReach,
    TestTakesAnEmptyPasswordForAnonymous,
    TestTakesAnyPassword,
    TestTakesNamesForPatterns,
    TestTellsThePasswordInALog,
)
from support_store_saboteurs import (  # noqa: F401 - run from here, with the others
    TestAlwaysHasTheSameStamp,
    TestCountsFromNought,
    TestFillsAnEmptyPassword,
    TestForgetsTheDescription,
    TestForgetsWhatWasRemoved,
    TestIsEmptyWhenDamaged,
    TestIsNeverEmpty,
    TestIsNotReadOnly,
    TestKeepsPlainText,
    TestKnowsOneScript,
    TestReadingChangesIt,
    TestReadsOnce,
    TestRemovesWhatIsNotThere,
    TestRotationCountsAsAChange,
    TestShowsItsPasswords,
    TestTakesAnyAlias,
    TestTakesAnyKey,
    TestWritesOverOthers,
)

from connector import testing
from connector.errors import AccessDenied, ConnectionFailed, LoginRefused, Problem, Reason
from connector.spi import (
    IN_THE_OPTIONS,
    AsyncManagedConnection,
    AuthenticationDataCallback,
    CallbackHandler,
    CallerSubjectCallback,
    Capability,
    ConnectionDescription,
    ConnectionManager,
    ConnectionRequestInfo,
    Dependency,
    IdentityAssertion,
    LoginFailed,
    LoginModule,
    ManagedConnection,
    ManagedConnectionFactory,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCredential,
    ResourceAdapter,
    Subject,
)
from connector.testing import Login, MapperContract, OutboundContract
from connector_echo.conformance import EchoBackend
from connector_echo.connection import EchoConnection, EchoManagedConnection, credential_for
from connector_echo.factory import EchoConnectionFactory, EchoManagedConnectionFactory
from connector_echo.wire import Wire

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

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> AsyncManagedConnection:
        return await self.honest.create_managed_connection_async(self.own(subject), request)

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


class NarrowedBackend(Backend):
    """An honest resource without what the adapter's others can; so nothing is asked that only they could answer."""

    class factory(Factory):
        connection = Connection

        def effective_capabilities(self, declared: frozenset[Capability]) -> frozenset[Capability]:
            # What nobody declared is ignored.
            return declared - {Capability.REAUTHENTICATION, Capability.IDENTITY_SWITCH} | {Capability.MATCHING}

    @property
    def trusted(self) -> Login:
        raise NotImplementedError

    @property
    def callers(self) -> tuple[str, ...]:
        raise NotImplementedError


class ThreadsOnlyBackend(EchoBackend):
    """An honest adapter whose backend gives the kit nothing for asyncio."""

    borrowed_async: Any = testing.Backend.borrowed_async
    user_of_async: Any = testing.Backend.user_of_async


class LoopLackingBackend(ThreadsOnlyBackend):
    """The same, and says so."""

    lacks = {Capability.ASYNC: "it is tried on threads only"}


class Sabotage(OutboundContract):
    """One saboteur; subclasses say which requirements it breaks."""

    breaks: ClassVar[tuple[str, ...]] = ()

    factory: ClassVar[type[Factory]] = Factory
    connection: ClassVar[type[EchoManagedConnection] | None] = None

    @pytest.fixture
    def connector_backend(self) -> Iterator[Backend]:
        kind = type(f"{type(self).__name__}Factory", (self.factory,), {"connection": self.connection or Connection})
        with type(type(self).__name__, (Backend,), {"factory": kind})() as backend:
            yield backend


class TestEqualConnections(Sabotage):
    breaks = ("OUT-CORE-011",)

    class connection(Connection):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1


class TestDescribesNothing(Sabotage):
    breaks = ("OUT-CORE-012",)

    class connection(Connection):
        def describe(self) -> ConnectionDescription:
            return ConnectionDescription("", "", super().describe().user)


class TestDescribesAnotherUser(Sabotage):
    breaks = ("OUT-CORE-013",)

    class connection(Connection):
        def describe(self) -> ConnectionDescription:
            return ConnectionDescription("Echo", "1", "somebody")


class TestCleanupCloses(Sabotage):
    breaks = ("OUT-CORE-020", "OUT-CORE-023", "OUT-POOL-001")

    class connection(Connection):
        def cleanup(self) -> None:
            self.wire.close()


class TestCleanupForgetsNothing(Sabotage):
    breaks = ("OUT-CORE-021", "OUT-POOL-005", "OUT-TRUST-002")

    class connection(Connection):
        def cleanup(self) -> None:
            pass


class TestDestroyOnlyOnce(Sabotage):
    breaks = ("OUT-CORE-022",)

    class connection(Connection):
        gone = False

        def destroy(self) -> None:
            assert not self.gone
            self.gone = True
            super().destroy()


class TestDestroyKeeps(Sabotage):
    breaks = ("OUT-CORE-022", "OUT-POOL-009")

    class connection(Connection):
        def destroy(self) -> None:
            pass


class TestTakesAnyCredential(Sabotage):
    breaks = ("OUT-CORE-030", "OUT-CORE-031")

    class factory(Factory):
        def own(self, subject: Subject | None) -> Subject | None:
            if subject is None or not subject.credentials:
                return subject
            return self.made_out(subject.credentials_of(PasswordCredential)[0])


class TestNullSubjectCrashes(Sabotage):
    breaks = ("OUT-CORE-032",)

    class factory(Factory):
        def own(self, subject: Subject | None) -> Subject | None:
            if subject is None:
                raise AttributeError("'NoneType' object has no attribute 'credentials'")
            return super().own(subject)


class TestAlwaysInvalid(Sabotage):
    breaks = ("OUT-CORE-040",)

    class connection(Connection):
        def validate(self) -> bool:
            return False


class TestAlwaysValid(Sabotage):
    breaks = ("OUT-CORE-041",)

    class connection(Connection):
        def validate(self) -> bool:
            return True


class TestPasswordInRepr(Sabotage):
    breaks = ("OUT-SEC-001",)

    class factory(Factory):
        def made_out(self, found: PasswordCredential) -> Subject:
            self.seen = found.password.reveal()
            return super().made_out(found)

        def __repr__(self) -> str:
            return f"Factory({self.seen})"


class TestPasswordInLog(Sabotage):
    breaks = ("OUT-SEC-002",)

    class factory(Factory):
        def made_out(self, found: PasswordCredential) -> Subject:
            logging.getLogger("saboteur").debug("signing on with %s", found.password.reveal())
            return super().made_out(found)


class TestRefusalIsAFailure(Sabotage):
    breaks = ("OUT-SEC-010", "OUT-POOL-006")

    class factory(Factory):
        def opened(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> ManagedConnection:
            try:
                return super().opened(subject, request)
            except LoginRefused:
                raise ConnectionFailed(SHOWS, why="no") from None


class TestPasswordInAFrame(Sabotage):
    breaks = ("OUT-SEC-011", "OUT-SEC-013")

    class factory(Factory):
        def opened(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> ManagedConnection:
            plain = subject.credentials[0].password.reveal() if subject and subject.credentials else ""
            made = super().opened(subject, request)
            assert plain is not None
            return made


class TestFailureIsARefusal(Sabotage):
    breaks = ("OUT-SEC-012",)

    class factory(Factory):
        def opened(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> ManagedConnection:
            try:
                return super().opened(subject, request)
            except ConnectionFailed as error:
                raise LoginRefused(SHOWS, why="no") from error


class TestBreaksSilently(Sabotage):
    breaks = ("OUT-SEC-031", "OUT-POOL-008")

    class connection(Connection):
        def connection_error_occurred(self, cause: BaseException | None = None) -> None:
            pass

        def cleanup(self) -> None:
            pass


class TestChangesItsMind(Sabotage):
    breaks = ("OUT-CORE-004",)

    class factory(Factory):
        asked = 0

        def effective_capabilities(self, declared: frozenset[Capability]) -> frozenset[Capability]:
            self.asked += 1
            return declared if self.asked == 1 else frozenset()


class TestReauthenticatesNobody(Sabotage):
    breaks = ("OUT-SEC-040", "OUT-SEC-041", "OUT-POOL-011", "OUT-POOL-012")

    class connection(Connection):
        def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            pass


class TestSessionSurvivesTheUser(Sabotage):
    breaks = ("OUT-SEC-042",)

    class connection(Connection):
        def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            notes = self.ask("notes")
            super().reauthenticate(subject, request)
            for note in notes:
                self.ask("note", note)


class TestGoesOnAsBefore(Sabotage):
    breaks = ("OUT-SEC-043",)

    class connection(Connection):
        def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            credential = credential_for(self._factory, subject)
            if not self._accepts(credential):
                raise LoginRefused(SHOWS, why="no")


class TestPasswordInAFrameOfTheSecondLogin(Sabotage):
    breaks = ("OUT-SEC-044",)

    class connection(Connection):
        def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            plain = credential_for(self._factory, subject).password.reveal()
            super().reauthenticate(subject, request)
            assert plain is not None


class TestTakesAnyCredentialTheSecondTime(Sabotage):
    breaks = ("OUT-SEC-045",)

    class connection(Connection):
        def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            assert subject is not None
            found = subject.credentials_of(PasswordCredential)[0]
            own = PasswordCredential(found.user, found.password, self._factory)
            super().reauthenticate(Subject(credentials=[own]), request)


class TestPasswordInLogOfTheSecondLogin(Sabotage):
    breaks = ("OUT-SEC-046",)

    class connection(Connection):
        def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            super().reauthenticate(subject, request)
            plain = credential_for(self._factory, subject).password.reveal()
            logging.getLogger("saboteur").debug("signed on with %s", plain)


class TestAssertsNobody(Sabotage):
    breaks = (
        "OUT-TRUST-001",
        "OUT-TRUST-003",
        "OUT-TRUST-004",
        "OUT-TRUST-005",
        "OUT-TRUST-010",
        "OUT-TRUST-011",
    )

    class connection(Connection):
        def switch_identity(self, asserted: IdentityAssertion) -> None:
            pass


class TestRefusesLate(Sabotage):
    breaks = ("OUT-TRUST-004",)

    class connection(Connection):
        def switch_identity(self, asserted: IdentityAssertion) -> None:
            with contextlib.suppress(AccessDenied):
                super().switch_identity(asserted)


class TestHandlesLeak(Sabotage):
    breaks = ("OUT-POOL-003", "OUT-POOL-004", "OUT-POOL-007")

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


class TestSignsOnAsTheFirst(Sabotage):
    breaks = ("OUT-SEC-020", "OUT-SEC-021", "OUT-POOL-010")

    class factory(Factory):
        def __init__(self, honest: EchoManagedConnectionFactory) -> None:
            super().__init__(honest)
            self.found: list[PasswordCredential] = []

        def made_out(self, found: PasswordCredential) -> Subject:
            self.found.append(found)  # one first also where two threads come at once
            return super().made_out(self.found[0])

    class connection(Connection):
        def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            """Stays who it is: a pool that filled up early would else sign everybody on anew, and rightly."""


class TestConnectsAtOnce(Sabotage):
    breaks = ("OUT-CORE-002",)

    class factory(Factory):
        def __init__(self, honest: EchoManagedConnectionFactory) -> None:
            super().__init__(honest)
            Wire(honest._address, 5.0).close()


class TestHidesFailures(Sabotage):
    breaks = ("OUT-SEC-030",)

    class connection(Connection):
        def ask(self, *words: str) -> Any:
            try:
                return super().ask(*words)
            except ConnectionFailed:
                return None


class TestBorrowsAtLookUp(Sabotage):
    breaks = ("OUT-CORE-003",)

    class factory(Factory):
        def create_connection_factory(self, manager: ConnectionManager) -> Any:
            manager.allocate().close()
            return super().create_connection_factory(manager)


class TestSkips(Sabotage):
    """Claims much, and runs nothing."""

    breaks = ("KIT-001",)

    @pytest.fixture
    def bench(self) -> None:
        pytest.skip("no server here")


class TestAdmits(Sabotage):
    """Fails, and says so: a deviation."""

    class connection(Connection):
        def validate(self) -> bool:
            return False

    @pytest.mark.xfail(reason="the echo server has a bad day")
    def test_a_good_connection_is_valid(self) -> None:  # type: ignore[override]
        raise AssertionError("the kit runs its own test instead")


class TestAdmitsTooMuch(Sabotage):
    """Says that it fails, and does not: the admission is out of date."""

    breaks = ("OUT-CORE-040",)

    @pytest.mark.xfail(reason="it was true once")
    def test_a_good_connection_is_valid(self) -> None:  # type: ignore[override]
        raise AssertionError("the kit runs its own test instead")


class Mapping_:
    """An honest module, not final: the alias of the reference."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.ALIAS})

    def initialize(
        self, subject: Subject, callback_handler: CallbackHandler, shared_state: Any, options: Mapping[str, Any]
    ) -> None:
        self.subject, self.handler = subject, callback_handler
        self.found: PasswordCredential | None = None

    def login(self) -> bool:
        properties, target = MappingPropertiesCallback(), ManagedConnectionFactoryCallback()
        self.handler.handle([properties, target])
        answer = AuthenticationDataCallback(properties.properties.get("alias", ""))
        self.handler.handle([answer])
        if not answer.alias or answer.data is None:
            if answer.alias:
                raise LoginFailed("unknown alias")
            return False
        data = answer.data
        self.found = PasswordCredential(data.user, data.password, target.factory, data.alias, data.version)
        return True

    def commit(self) -> bool:
        if self.found is not None:
            self.subject.add_credential(self.found)
        return self.found is not None

    def abort(self) -> bool:
        return self.logout()

    def logout(self) -> bool:
        found, self.found = self.found, None
        if found is not None:
            self.subject.remove_credential(found)
        return found is not None


class SabotagedMapping(MapperContract):
    """One sabotaged module."""

    breaks: ClassVar[tuple[str, ...]] = ()
    module: ClassVar[type[LoginModule]] = Mapping_

    @pytest.fixture
    def connector_mapper(self) -> DefaultMappingBackend:
        made = type(type(self).__name__, (DefaultMappingBackend,), {"module": self.module})()
        assert isinstance(made, DefaultMappingBackend)
        return made


class TestCommitsAtLogin(SabotagedMapping):
    breaks = ("MAP-010",)

    class module(Mapping_):
        def login(self) -> bool:
            return super().login() and super().commit()


class TestCommitsNothing(SabotagedMapping):
    breaks = ("MAP-011", "MAP-031")

    class module(Mapping_):
        def commit(self) -> bool:
            return True


class TestForNoFactory(SabotagedMapping):
    breaks = ("MAP-012",)

    class module(Mapping_):
        def login(self) -> bool:
            found = super().login()
            if self.found is not None:
                self.found = PasswordCredential(self.found.user, self.found.password)
            return found


class TestSaysTrueOfNothing(SabotagedMapping):
    breaks = ("MAP-013",)

    class module(Mapping_):
        def commit(self) -> bool:
            return super().commit() or True


class TestAbortKeeps(SabotagedMapping):
    breaks = ("MAP-014", "MAP-016")

    class module(Mapping_):
        def abort(self) -> bool:
            return True


class TestClearsEverything(SabotagedMapping):
    breaks = ("MAP-016",)

    class module(Mapping_):
        def logout(self) -> bool:
            self.subject.clear()
            return True


class TestAbortNeedsALogin(SabotagedMapping):
    breaks = ("MAP-015",)

    class module(Mapping_):
        def abort(self) -> bool:
            assert self.found is not None
            return super().abort()


class TestAnswersNothing(SabotagedMapping):
    breaks = ("MAP-003",)

    class module(Mapping_):
        def logout(self) -> bool:
            super().logout()
            return None  # type: ignore[return-value]  # a forgotten `return` is what this is about


class TestNeverIgnores(SabotagedMapping):
    breaks = ("MAP-002",)

    class module(Mapping_):
        def login(self) -> bool:
            return super().login() or True


class TestDeclaresAList(SabotagedMapping):
    breaks = ("MAP-001",)

    class module(Mapping_):
        depends_on = [Dependency.ALIAS]  # type: ignore[assignment]


class TestCounts(SabotagedMapping):
    """Another outcome each time, without saying so; and one login's number is another's."""

    breaks = ("MAP-020", "MAP-023")

    class module(Mapping_):
        count = 0

        def login(self) -> bool:
            found = super().login()
            type(self).count += 1
            if self.found is not None:
                self.found = PasswordCredential(f"user{self.count}", self.found.password, self.found.factory)
            return found


class TestHidesThatItAsksTheCaller(SabotagedMapping):
    breaks = ("MAP-021",)

    class module(Mapping_):
        def login(self) -> bool:
            caller = CallerSubjectCallback()
            self.handler.handle([caller])
            found = super().login()
            if self.found is not None and caller.subject is not None:
                who = str(caller.subject.caller)
                self.found = PasswordCredential(who, self.found.password, self.found.factory)
            return found


class TestHidesThatItReadsAliases(SabotagedMapping):
    breaks = ("MAP-021", "MAP-022")

    class module(Mapping_):
        depends_on = frozenset({Dependency.CALLER})


class TestShowsThePassword(SabotagedMapping):
    breaks = ("MAP-030",)

    class module(Mapping_):
        def __repr__(self) -> str:
            return f"Mapping({self.found.password.reveal() if self.found else None})"


class TestNarrowsToMore(SabotagedMapping):
    breaks = ("MAP-004",)

    class module(Mapping_):
        @classmethod
        def dependencies(cls, options: Mapping[str, Any]) -> frozenset[Dependency]:
            return cls.depends_on | {Dependency.TIME}


class TestFindsFaultWithItsOptions(SabotagedMapping):
    breaks = ("MAP-005",)

    class module(Mapping_):
        @classmethod
        def mistakes(cls, options: Mapping[str, Any]) -> list[Problem]:
            return [Problem("X-1", IN_THE_OPTIONS, None, "alias", "nothing", "something")]


class TestHasANewRevisionEachTime(SabotagedMapping):
    breaks = ("MAP-005",)

    class module(Mapping_):
        @classmethod
        def revision(cls, options: Mapping[str, Any]) -> object:
            return object()


class TestRemarksThePassword(SabotagedMapping):
    breaks = ("MAP-032",)

    class module(Mapping_):
        def remarks(self) -> list[str]:
            return [] if self.found is None else [f"it is {self.found.password.reveal()}"]
