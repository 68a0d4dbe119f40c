"""The adapter of the soak, for threads and for asyncio: says what is done to it to its `Wire`, in whatever mood."""

from __future__ import annotations

import asyncio
import time

from support_pool import FakeFactory

from connector.spi import (
    AsyncManagedConnection,
    ConnectionDescription,
    ConnectionRequestInfo,
    IdentityAssertion,
    ManagedConnection,
    Subject,
)
from soak.ledger import IN_DOUBT, Ledger, Wire
from soak.moods import Interrupt, Mood, Moods, Trouble, refusal

AnyConnection = ManagedConnection | AsyncManagedConnection


def act(mood: Mood, connection: AnyConnection | None, *, login: bool = False) -> None:
    """What a mood makes of a call, other than taking time."""
    if mood in (Mood.BREAKS, Mood.BREAKS_QUIETLY) and connection is not None:
        connection.connection_error_occurred(Trouble())
    if mood is Mood.REFUSES and login:
        raise refusal()
    if mood is Mood.INTERRUPTED and not isinstance(connection, AsyncManagedConnection):
        raise Interrupt
    if mood in (Mood.RAISES, Mood.BREAKS):
        raise Trouble


class SoakFactory(FakeFactory):
    """Opens connections and makes plans; the pool's adapter for threads and for asyncio."""

    def __init__(self, ledger: Ledger, moods: Moods) -> None:
        super().__init__()
        self.ledger = ledger
        self.moods = moods

    def user_of(self, subject: Subject | None) -> str:
        credential = subject.password_credential(self) if subject is not None else None
        assert credential is not None, "the soak signs everybody on by password"
        return credential.user

    def create_managed_connection(  # type: ignore[override]  # a fake of its own
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ThreadConnection:
        user, mood = self.user_of(subject), self.moods.next()
        with self.ledger.connecting(user):
            if mood is not Mood.FINE:
                time.sleep(0)
            act(mood, None, login=True)
            return ThreadConnection(self, user)

    async def create_managed_connection_async(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> TaskConnection:
        user, mood = self.user_of(subject), self.moods.next()
        with self.ledger.connecting(user):
            if mood is not Mood.FINE:
                await turns(mood)
            act(Mood.RAISES if mood is Mood.INTERRUPTED else mood, None, login=True)
            return TaskConnection(self, user)

    def match(self, candidates, subject, request):  # type: ignore[no-untyped-def]
        mood = self.moods.next()
        if mood is Mood.RAISES:
            raise Trouble
        if mood is Mood.ODD:
            return self.ledger.made[0].connection
        return None if mood is Mood.REFUSES else candidates[0 if mood is Mood.SLOW else -1]


class ThreadConnection(ManagedConnection):
    """A connection for threads."""

    def __init__(self, factory: SoakFactory, user: str) -> None:
        self.wire = Wire(factory.ledger, user, self)
        self._factory = factory

    def _act(self, *, login: bool = False) -> Mood:
        mood = self._factory.moods.next()
        if mood is not Mood.FINE:
            time.sleep(0)
            act(mood, self, login=login)
        return mood

    def cleanup(self) -> None:
        with self.wire.called("cleanup"):
            self._act()
            self.wire.acting = self.wire.user

    def destroy(self) -> None:
        with self.wire.closed():
            self._act()

    def validate(self) -> bool:
        with self.wire.called("validate"):
            return self._act() is not Mood.ODD

    def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        with self.wire.called("reauthenticate"):
            self.wire.user = self.wire.acting = IN_DOUBT
            self._act(login=True)
            self.wire.user = self.wire.acting = self._factory.user_of(subject)

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        with self.wire.called("switch"):
            self.wire.acting = IN_DOUBT
            self._act()
            self.wire.acting = asserted.user

    def describe(self) -> ConnectionDescription:
        return ConnectionDescription("soak", "1", self.wire.acting)


class TaskConnection(AsyncManagedConnection):
    """The same for tasks."""

    def __init__(self, factory: SoakFactory, user: str) -> None:
        self.wire = Wire(factory.ledger, user, self)
        self._factory = factory

    async def _act(self, *, login: bool = False) -> Mood:
        mood = self._factory.moods.next()
        if mood is not Mood.FINE:
            await turns(mood)
            act(mood, self, login=login)
        return mood

    async def cleanup(self) -> None:
        with self.wire.called("cleanup"):
            await self._act()
            self.wire.acting = self.wire.user

    async def destroy(self) -> None:
        with self.wire.closed():
            await self._act()

    def abort(self) -> None:
        if self.wire.is_gone():  # else harmless, as the contract says
            self.wire.closings += 1

    async def validate(self) -> bool:
        with self.wire.called("validate"):
            return await self._act() is not Mood.ODD

    async def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        with self.wire.called("reauthenticate"):
            self.wire.user = self.wire.acting = IN_DOUBT
            await self._act(login=True)
            self.wire.user = self.wire.acting = self._factory.user_of(subject)

    async def switch_identity(self, asserted: IdentityAssertion) -> None:
        with self.wire.called("switch"):
            self.wire.acting = IN_DOUBT
            await self._act()
            self.wire.acting = asserted.user

    async def describe(self) -> ConnectionDescription:
        return ConnectionDescription("soak", "1", self.wire.acting)


async def turns(mood: Mood) -> None:
    """Let the others of the loop have their turn: a few times where it is slow, else once."""
    for _ in range(3 if mood is Mood.SLOW else 1):
        await asyncio.sleep(0)
