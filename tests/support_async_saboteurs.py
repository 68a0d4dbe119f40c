"""Adapters that each break some requirement on asyncio: the kit must notice. Run with `support_saboteurs`."""

# ruff: noqa: N801 - what is sabotaged is named like what it stands for

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest

from connector.errors import AccessDenied, ConnectionFailed, LoginRefused, Reason
from connector.spi import (
    AsyncManagedConnection,
    ConnectionDescription,
    ConnectionManager,
    ConnectionRequestInfo,
    IdentityAssertion,
    ManagedConnection,
    ManagedConnectionFactory,
    PasswordCredential,
    ResourceAdapter,
    Subject,
)
from connector.testing import OutboundContract
from connector_echo.async_connection import AsyncEchoConnection, AsyncEchoManagedConnection
from connector_echo.conformance import EchoBackend
from connector_echo.factory import EchoConnectionFactory, EchoManagedConnectionFactory

SHOWS = Reason("CF-SABOTEUR-630", "{why}", "")


class Connection(AsyncEchoManagedConnection):
    """What each saboteur changes; made from the connection that the honest factory opened."""


class Factory(ManagedConnectionFactory):
    """An echo factory whose connections for asyncio are of another class."""

    connection: ClassVar[type[AsyncEchoManagedConnection]] = Connection

    def __init__(self, honest: EchoManagedConnectionFactory) -> None:
        self.honest = honest

    def create_connection_factory(self, manager: ConnectionManager) -> Any:
        return EchoConnectionFactory(manager)

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection:
        raise NotImplementedError

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> AsyncManagedConnection:
        return await self.opened(self.own(subject), request)

    def own(self, subject: Subject | None) -> Subject | None:
        """The subject with this factory's credential made out to the honest one."""
        found = subject.password_credential(self) if subject is not None else None
        return subject if found is None else self.made_out(found)

    def made_out(self, found: PasswordCredential) -> Subject:
        return Subject(credentials=[PasswordCredential(found.user, found.password, self.honest)])

    async def opened(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> AsyncManagedConnection:
        made = await self.honest.create_managed_connection_async(subject, request)
        made.__class__ = self.connection
        made._factory = self  # type: ignore[attr-defined]
        return made


class AsyncSabotage(OutboundContract):
    """One saboteur; subclasses say which requirements it breaks."""

    breaks: ClassVar[tuple[str, ...]] = ()
    patience: ClassVar[float] = 1.0  # what blocks is found sooner

    factory: ClassVar[type[Factory]] = Factory
    connection: ClassVar[type[AsyncEchoManagedConnection] | None] = None

    @pytest.fixture
    def connector_backend(self) -> Iterator[EchoBackend]:
        name = type(self).__name__
        kind: Any = type(f"{name}Factory", (self.factory,), {"connection": self.connection or Connection})

        class Backend(EchoBackend):
            def create_factory(
                self, adapter: ResourceAdapter, properties: Mapping[str, Any]
            ) -> ManagedConnectionFactory:
                made: ManagedConnectionFactory = kind(super().create_factory(adapter, properties))
                return made

        with type(name, (Backend,), {})() as backend:
            yield backend


class TestEqualOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-001",)

    class connection(Connection):
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 1


class TestDescribesNothingOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-002",)

    class connection(Connection):
        async def describe(self) -> ConnectionDescription:
            return ConnectionDescription("", "", (await super().describe()).user)


class TestDescribesAnotherUserOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-002", "OUT-ASYNC-060")

    class connection(Connection):
        async def describe(self) -> ConnectionDescription:
            return ConnectionDescription("Echo", "1", "somebody")


class TestSignsOnAsTheFirstOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-003", "OUT-ASYNC-023", "OUT-ASYNC-044")

    class factory(Factory):
        def __init__(self, honest: EchoManagedConnectionFactory) -> None:
            super().__init__(honest)
            self.found: list[PasswordCredential] = []

        def made_out(self, found: PasswordCredential) -> Subject:
            self.found.append(found)
            return super().made_out(self.found[0])


class TestTakesAnyCredentialOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-004",)

    class factory(Factory):
        def own(self, subject: Subject | None) -> Subject | None:
            if subject is None or not subject.credentials:
                return subject
            return self.made_out(subject.credentials_of(PasswordCredential)[0])


class TestNullSubjectCrashesOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-005",)

    class factory(Factory):
        def own(self, subject: Subject | None) -> Subject | None:
            if subject is None:
                raise AttributeError("'NoneType' object has no attribute 'credentials'")
            return super().own(subject)


class TestRefusalIsAFailureOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-006", "OUT-ASYNC-045")

    class factory(Factory):
        async def opened(
            self, subject: Subject | None, request: ConnectionRequestInfo | None
        ) -> AsyncManagedConnection:
            try:
                return await super().opened(subject, request)
            except LoginRefused:
                raise ConnectionFailed(SHOWS, why="no") from None


class TestFailureIsARefusalOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-007",)

    class factory(Factory):
        async def opened(
            self, subject: Subject | None, request: ConnectionRequestInfo | None
        ) -> AsyncManagedConnection:
            try:
                return await super().opened(subject, request)
            except ConnectionFailed as error:
                raise LoginRefused(SHOWS, why="no") from error


class BlockingConnection(Connection):
    """Lets others have a turn, and then waits for the server as code for threads does."""

    async def blocking(self, *words: str) -> Any:
        await asyncio.sleep(0)
        wire: Any = self.wire
        wire._socket.setblocking(True)
        wire._socket.sendall(json.dumps(words).encode() + b"\n")
        answer = json.loads(wire._socket.recv(65536))[1]
        wire._socket.setblocking(False)
        return answer


class TestBlocksTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-008",)

    class connection(BlockingConnection):
        async def describe(self) -> ConnectionDescription:
            return ConnectionDescription(*await self.blocking("describe"))


class TestBlocksTheLoopByItsHandle(AsyncSabotage):
    breaks = ("OUT-ASYNC-030",)

    class connection(BlockingConnection):
        async def ask(self, *words: str) -> Any:
            return await (self.blocking(*words) if words[0] == "echo" else super().ask(*words))


class TestBlocksTheLoopWhileItAsserts(AsyncSabotage):
    breaks = ("OUT-ASYNC-066",)

    class connection(BlockingConnection):
        async def switch_identity(self, asserted: IdentityAssertion) -> None:
            await self.blocking("become", asserted.user)


class TestCleanupClosesOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-009", "OUT-ASYNC-020")

    class connection(Connection):
        async def cleanup(self) -> None:
            self.wire.close()


class TestCleanupForgetsNothingOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-010", "OUT-ASYNC-024", "OUT-ASYNC-026", "OUT-ASYNC-061")

    class connection(Connection):
        async def cleanup(self) -> None:
            pass


class TestDestroyOnlyOnceOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-011",)

    class connection(Connection):
        gone = False

        async def destroy(self) -> None:
            assert not self.gone
            self.gone = True
            await super().destroy()


class TestDestroyKeepsOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-011",)

    class connection(Connection):
        async def destroy(self) -> None:
            pass


class TestAbortDoesNothing(AsyncSabotage):
    breaks = ("OUT-ASYNC-012",)

    class connection(Connection):
        def abort(self) -> None:
            pass


class TestAbortNeedsItsLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-012", "OUT-ASYNC-013")

    class connection(Connection):
        def abort(self) -> None:
            self.wire.close()  # so that nothing is left open when it fails
            asyncio.get_running_loop().call_soon(super().abort)


class TestAlwaysInvalidOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-014",)

    class connection(Connection):
        async def validate(self) -> bool:
            return False


class TestAlwaysValidOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-015",)

    class connection(Connection):
        async def validate(self) -> bool:
            return True


class TestHandlesLeakOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-020", "OUT-ASYNC-022")

    class factory(Factory):
        def create_connection_factory(self, manager: ConnectionManager) -> Any:
            kept: list[object] = []

            class Leaking(AsyncEchoConnection):
                async def __aexit__(self, *_: object) -> None:
                    kept.append(self._lease)

            class Connections:
                def get_async_connection(self) -> AsyncEchoConnection:
                    return Leaking(manager)

            return Connections()


class TestHandlesLiveOn(AsyncSabotage):
    breaks = ("OUT-ASYNC-021",)

    class factory(Factory):
        def create_connection_factory(self, manager: ConnectionManager) -> Any:
            class Living(AsyncEchoConnection):
                async def __aenter__(self) -> AsyncEchoConnection:
                    await super().__aenter__()
                    assert self._lease is not None
                    self.connection: Any = self._lease.physical
                    return self

                async def echo(self, text: str) -> str:
                    return f"{await self.connection.ask('whoami')}: {text}"

            class Connections:
                def get_async_connection(self) -> AsyncEchoConnection:
                    return Living(manager)

            return Connections()


class TestSwallowsCancellation(AsyncSabotage):
    breaks = ("OUT-ASYNC-025",)

    class connection(Connection):
        async def ask(self, *words: str) -> Any:
            try:
                await asyncio.sleep(0)  # however fast the server is
                return await super().ask(*words)
            except asyncio.CancelledError:
                raise ConnectionFailed(SHOWS, why="cancelled") from None


class TestCleansUpHalfWhenCancelled(AsyncSabotage):
    breaks = ("OUT-ASYNC-025", "OUT-ASYNC-026")

    class connection(Connection):
        async def cleanup(self) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                for _ in range(20):
                    await asyncio.sleep(0)
                await super().cleanup()


class TestBreaksSilentlyOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-027",)

    class connection(Connection):
        def connection_error_occurred(self, cause: BaseException | None = None) -> None:
            pass

        async def cleanup(self) -> None:
            pass


class TestSharesAmongLoops(AsyncSabotage):
    breaks = ("OUT-ASYNC-028",)

    class factory(Factory):
        only: AsyncManagedConnection | None = None

        async def opened(
            self, subject: Subject | None, request: ConnectionRequestInfo | None
        ) -> AsyncManagedConnection:
            if self.only is None:
                self.only = await super().opened(subject, request)
            return self.only


class TestLeavesATask(AsyncSabotage):
    breaks = ("OUT-ASYNC-029",)

    class connection(Connection):
        async def cleanup(self) -> None:
            self.heartbeat = asyncio.create_task(asyncio.Event().wait())
            await super().cleanup()


class TestLeavesAThread(AsyncSabotage):
    breaks = ("OUT-ASYNC-029",)

    class connection(Connection):
        async def cleanup(self) -> None:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            await super().cleanup()


class TestForgetsToAwait(AsyncSabotage):
    breaks = ("OUT-ASYNC-029",)

    class connection(Connection):
        async def cleanup(self) -> None:
            forgotten = asyncio.sleep(0)
            await super().cleanup()
            del forgotten


class TestPasswordInReprOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-040",)

    class factory(Factory):
        def made_out(self, found: PasswordCredential) -> Subject:
            self.seen = found.password.reveal()
            return super().made_out(found)

        def __repr__(self) -> str:
            return f"Factory({self.seen})"


class TestPasswordInLogOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-041",)

    class factory(Factory):
        def made_out(self, found: PasswordCredential) -> Subject:
            logging.getLogger("saboteur").debug("signing on with %s", found.password.reveal())
            return super().made_out(found)


class TestPasswordInAFrameOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-042", "OUT-ASYNC-043")

    class factory(Factory):
        async def opened(
            self, subject: Subject | None, request: ConnectionRequestInfo | None
        ) -> AsyncManagedConnection:
            plain = subject.credentials[0].password.reveal() if subject and subject.credentials else ""
            made = await super().opened(subject, request)
            assert plain is not None
            return made


class TestReauthenticatesNobodyOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-046",)

    class connection(Connection):
        async def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
            pass


class TestAssertsNobodyOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-060", "OUT-ASYNC-062", "OUT-ASYNC-063", "OUT-ASYNC-064", "OUT-ASYNC-065")

    class connection(Connection):
        async def switch_identity(self, asserted: IdentityAssertion) -> None:
            pass


class TestRefusesLateOnTheLoop(AsyncSabotage):
    breaks = ("OUT-ASYNC-062",)

    class connection(Connection):
        async def switch_identity(self, asserted: IdentityAssertion) -> None:
            with contextlib.suppress(AccessDenied):
                await super().switch_identity(asserted)
