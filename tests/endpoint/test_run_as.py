"""FLOW-6: with run-as, the handler's outbound work is somebody else's, and the caller stays the caller."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support_endpoint import ALICE, Make, under

from connector.endpoint.declaration import MessageContext
from connector.endpoint.run_as import RunAs
from connector.errors import AuthenticationFailed, Reason, ScopeError
from connector.security.scope import capture, current_subject
from connector.spi import Message, Subject, UserPrincipal

BATCH = Subject.of_user("batch", "home", ["bosses"])
UNKNOWN = Reason("CF-TEST-305", "the realm knows no such user", "Add it.")


def acting(find: Callable[[], Subject] = lambda: BATCH) -> RunAs:
    return RunAs(find, realm="home", container="c", origin="run-as of orders:jms/in")


def seen_by(context: MessageContext) -> dict[str, Any]:
    subject = current_subject()
    return {
        "acts as": str(subject.caller) if subject else None,
        "caller": context.caller_principal,
        "clerk": context.is_caller_in_role("clerk"),
    }


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_the_handler_acts_as_another_and_roles_and_caller_are_the_caller_s(make: Make, kind: str) -> None:
    def plain(message: Message, context: MessageContext) -> dict[str, Any]:
        return seen_by(context) | {"caller": str(context.caller_principal)}

    async def coroutine(message: Message, context: MessageContext) -> dict[str, Any]:
        await asyncio.sleep(0)
        return seen_by(context) | {"caller": str(context.caller_principal)}

    factory = make(plain if kind == "def" else coroutine, roles_allowed={"clerk"}, acting=acting())
    with under(ALICE):
        reply = factory.create_endpoint().deliver(Message())
        assert current_subject() is ALICE, "afterwards the caller is in force again, for the adapter's settlement"
    assert reply == {"acts as": "batch@home", "caller": "alice@home", "clerk": True}
    assert factory.run_as() is BATCH


def test_without_it_everything_is_the_caller_s(make: Make) -> None:
    factory = make(lambda _, context: seen_by(context)["acts as"])
    assert factory.run_as() is None
    with under(ALICE):
        assert factory.create_endpoint().deliver(Message()) == "alice@home"


def test_what_a_handler_leaves_behind_acts_as_nobody_any_more(make: Make) -> None:
    left: list[Any] = []
    factory = make(lambda *_: left.append(capture()), acting=acting())
    with under(ALICE):
        factory.create_endpoint().deliver(Message())
        with pytest.raises(ScopeError):
            left[0].run(current_subject)


def test_where_the_identity_can_t_be_had_the_handler_is_not_called(make: Make) -> None:
    called: list[int] = []

    def refuse() -> Subject:
        raise AuthenticationFailed(UNKNOWN)

    factory = make(lambda *_: called.append(1), acting=acting(refuse))
    with under(ALICE), pytest.raises(AuthenticationFailed, match="CF-TEST-305"):
        factory.create_endpoint().deliver(Message())
    assert called == []
    assert factory.statistics().active == 0


def test_the_caller_needs_the_role_whoever_the_handler_acts_as(make: Make) -> None:
    factory = make(lambda *_: None, roles_allowed={"boss"}, acting=acting())
    with under(ALICE), pytest.raises(Exception, match="CF-ENDP-010"):
        factory.create_endpoint().deliver(Message())
    assert UserPrincipal("batch", "home") == BATCH.caller
