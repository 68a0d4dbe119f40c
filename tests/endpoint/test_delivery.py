"""FLOW-5, FLOW-6, FLOW-8: delivering messages to handlers under the caller's subject."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from typing import Any

import pytest
from support_endpoint import ALICE, EVE, PATIENCE, ROLES, Make, under
from support_work import MARKER, FakeIdentity, SaidContext

from connector.endpoint.declaration import MessageContext
from connector.endpoint.role_check import check_roles, explain_roles
from connector.errors import AccessDenied, AuthenticationFailed, DeliveryError, Reason, ScopeError
from connector.security.audit import MemoryAuditLog
from connector.security.roles import RoleMap
from connector.security.scope import current_subject
from connector.spi import CallerPrincipalCallback, Message, Outcome, RedeliveryPolicy, Subject, UserPrincipal
from connector.work.event_loop import EventLoopThread
from connector.work.limits import WorkLimits
from connector.work.manager import ContainerWorkManager

OURS = Reason("CF-TEST-200", "refused inside the handler", "")


# --- the handler's view ---------------------------------------------------------------------------------------------


def test_a_handler_gets_message_and_context_of_the_caller(make: Make) -> None:
    def handler(message: Message, context: MessageContext) -> dict[str, Any]:
        return {
            "caller": context.caller_principal,
            "clerk": context.is_caller_in_role("clerk"),
            "boss": context.is_caller_in_role("boss"),
            "found": context.lookup("jdbc/log"),
            "count": context.delivery_count,
            "same": context.message is message,
            "where": (context.application, context.activation),
        }

    with under(ALICE):
        reply = make(handler).create_endpoint().deliver(Message(delivery_count=2))
    assert reply == {
        "caller": UserPrincipal("alice", "home"),
        "clerk": True,
        "boss": False,
        "found": "factory jdbc/log",
        "count": 2,
        "same": True,
        "where": ("orders", "jms/in"),
    }


def test_an_unknown_role_has_nobody_in_it_and_is_reported_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    def handler(message: Message, context: MessageContext) -> list[bool]:
        return [context.is_caller_in_role("cleark"), context.is_caller_in_role("cleark")]

    with caplog.at_level(logging.WARNING, "connector.endpoint"), under(ALICE):
        assert make(handler).create_endpoint().deliver(Message()) == [False, False]
    assert caplog.text.count("'cleark'") == 1


def test_the_role_answers_are_the_caller_s_whoever_the_handler_acts_as_meanwhile(make: Make) -> None:
    def handler(message: Message, context: MessageContext) -> bool:
        with under(EVE):
            return context.is_caller_in_role("clerk")

    with under(ALICE):
        assert make(handler).create_endpoint().deliver(Message()) is True


def test_without_role_checks_nobody_is_known_to_be_in_a_role(make: Make) -> None:
    def handler(message: Message, context: MessageContext) -> bool:
        return context.is_caller_in_role("clerk")

    with under(ALICE):
        assert make(handler, role_map=None).create_endpoint().deliver(Message()) is False


def test_an_async_handler_runs_on_the_one_loop_under_the_caller(make: Make) -> None:
    async def handler(message: Message, context: MessageContext) -> list[str]:
        await asyncio.sleep(0)
        subject = current_subject()
        assert subject is not None
        return [threading.current_thread().name, str(subject.caller)]

    with under(ALICE):
        assert make(handler).create_endpoint().deliver(Message()) == ["connector-loop", "alice@home"]


def test_a_task_that_an_async_handler_leaves_behind_is_refused_the_identity(make: Make, loop: EventLoopThread) -> None:
    left: list[asyncio.Task[Any]] = []
    go_on: list[asyncio.Event] = []

    async def leftover() -> Subject | None:
        await go_on[0].wait()
        return current_subject()

    async def handler(message: Message, context: MessageContext) -> None:
        go_on.append(asyncio.Event())
        left.append(asyncio.create_task(leftover()))
        await asyncio.sleep(0)

    async def later(message: Message, context: MessageContext) -> None:
        go_on[0].set()
        await left[0]

    with under(ALICE):
        make(handler).create_endpoint().deliver(Message())
    with under(EVE), pytest.raises(DeliveryError) as caught:
        make(later).create_endpoint().deliver(Message())
    assert isinstance(caught.value.__cause__, ScopeError)


# --- the role check ----------------------------------------------------------------------------------------------


def test_a_denied_caller_never_reaches_the_handler_and_is_told_what_to_bind(make: Make, audit: MemoryAuditLog) -> None:
    called: list[Message] = []

    def handler(message: Message, context: MessageContext) -> None:
        called.append(message)

    with under(EVE), pytest.raises(AccessDenied, match="CF-ENDP-010") as caught:
        make(handler, roles_allowed={"clerk", "boss"}).create_endpoint().deliver(Message(message_id="m1"))
    assert called == []
    for part in ("eve@home", "handler", "boss, clerk", "[roles] of application 'orders'"):
        assert part in str(caught.value)
    assert "group clerks" in str(caught.value.explanation)
    (event,) = audit.events
    assert (event.action, event.who, event.resource, event.outcome, event.reason) == (
        "deliver",
        "eve@home",
        "orders:jms/in",
        Outcome.DENIED,
        "CF-ENDP-010",
    )
    assert event.details["message_id"] == "m1"


def test_an_allowed_delivery_is_audited_with_the_role_that_allowed_it(make: Make, audit: MemoryAuditLog) -> None:
    with under(ALICE):
        make(lambda *_: None, roles_allowed={"clerk"}).create_endpoint().deliver(Message())
    assert [(e.outcome, e.reason) for e in audit.events] == [(Outcome.SUCCESS, "in role clerk")]


@pytest.mark.parametrize(
    ("subject", "allowed", "roles", "outcome"),
    [
        (EVE, (), ROLES, (True, "any caller")),
        (EVE, ("boss",), None, (True, "role checks are off")),
        (ALICE, ("boss", "clerk"), ROLES, (True, "in role clerk")),
        (EVE, ("boss", "clerk"), ROLES, (False, "in none of the allowed roles")),
        (EVE, ("unbound",), ROLES, (False, "in none of the allowed roles")),
        (Subject.unauthenticated(), ("clerk",), ROLES, (False, "in none of the allowed roles")),
        (Subject.unauthenticated(), ("anyone",), ROLES, (True, "in role anyone")),
        (Subject.of_user("alice", "other", ["clerks"]), ("clerk",), ROLES, (False, "in none of the allowed roles")),
    ],
)
def test_the_role_check_by_its_table(
    subject: Subject, allowed: tuple[str, ...], roles: RoleMap | None, outcome: tuple[bool, str]
) -> None:
    decision = check_roles(subject, allowed, roles)
    assert (decision.allowed, decision.why) == outcome
    assert outcome[1] in explain_roles(subject, "m:handler", allowed, roles).answer


# --- what may go wrong in a handler -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError])
def test_whatever_a_handler_raises_off_the_main_thread_is_a_delivery_error_without_its_text(
    make: Make, kind: type[BaseException]
) -> None:
    def handler(message: Message, context: MessageContext) -> None:
        raise kind(MARKER)

    errors: list[BaseException] = []

    def deliver() -> None:
        with under(ALICE):
            try:
                make(handler).create_endpoint().deliver(Message())
            except DeliveryError as error:
                errors.append(error)

    thread = threading.Thread(target=deliver)
    thread.start()
    thread.join(PATIENCE)
    (error,) = errors
    assert isinstance(error, DeliveryError)
    assert error.code == "CF-ENDP-020"
    assert isinstance(error.__cause__, kind)
    assert kind.__name__ in str(error)
    assert "handler" in str(error)
    assert MARKER not in str(error)


def test_an_interrupt_of_the_main_thread_is_the_user_s(make: Make) -> None:
    def handler(message: Message, context: MessageContext) -> None:
        raise KeyboardInterrupt

    with under(ALICE), pytest.raises(KeyboardInterrupt):
        make(handler).create_endpoint().deliver(Message())


def test_an_async_handler_that_raises_or_is_cancelled_is_a_delivery_error(make: Make) -> None:
    async def raising(message: Message, context: MessageContext) -> None:
        raise ValueError(MARKER)

    async def cancelled(message: Message, context: MessageContext) -> None:
        raise asyncio.CancelledError

    for handler in (raising, cancelled):
        with under(ALICE), pytest.raises(DeliveryError, match="CF-ENDP-020") as caught:
            make(handler).create_endpoint().deliver(Message())
        assert MARKER not in str(caught.value)


def test_a_refusal_inside_the_handler_is_no_refusal_of_the_handler_and_is_told_by_its_code(make: Make) -> None:
    def handler(message: Message, context: MessageContext) -> None:
        raise AuthenticationFailed(OURS)

    with under(ALICE), pytest.raises(DeliveryError, match="AuthenticationFailed CF-TEST-200"):
        make(handler).create_endpoint().deliver(Message())


@pytest.mark.parametrize("reply", [None, {}, [], "", b"", 0, 1.5, True, Message(body=1)])
def test_what_a_message_can_carry_is_a_reply(make: Make, reply: Any) -> None:
    with under(ALICE):
        assert make(lambda *_: reply).create_endpoint().deliver(Message()) is reply


@pytest.mark.parametrize("reply", [object(), {1}, (1,), 1j, int])
def test_nonsense_is_not(make: Make, reply: Any) -> None:
    with under(ALICE), pytest.raises(DeliveryError, match="CF-ENDP-021"):
        make(lambda *_: reply).create_endpoint().deliver(Message())


# --- what may go wrong in an adapter ------------------------------------------------------------------------------


def test_a_second_message_at_once_is_refused_and_the_first_is_undisturbed(make: Make) -> None:
    codes: list[str] = []

    def handler(message: Message, context: MessageContext) -> str:
        try:
            endpoint.deliver(message)
        except DeliveryError as error:
            codes.append(error.code)
        return "first"

    endpoint = make(handler).create_endpoint()
    with under(ALICE):
        assert endpoint.deliver(Message()) == "first"
        assert codes == ["CF-ENDP-011"]
        assert endpoint.deliver(Message()) == "first"  # one after the other is what it is for


def test_a_released_endpoint_is_refused_and_releasing_twice_is_harmless(make: Make) -> None:
    endpoint = make(lambda *_: None).create_endpoint()
    endpoint.release()
    endpoint.release()
    with under(ALICE), pytest.raises(DeliveryError, match="CF-ENDP-012"):
        endpoint.deliver(Message())


def test_after_the_activation_s_end_endpoints_are_neither_made_nor_used(make: Make) -> None:
    factory = make(lambda *_: None)
    endpoint = factory.create_endpoint()
    factory.close()
    with pytest.raises(DeliveryError, match="CF-ENDP-014"):
        factory.create_endpoint()
    with under(ALICE), pytest.raises(DeliveryError, match="CF-ENDP-014"):
        endpoint.deliver(Message())


def test_a_delivery_outside_a_work_is_refused(make: Make) -> None:
    with pytest.raises(DeliveryError, match="CF-ENDP-013"):
        make(lambda *_: None).create_endpoint().deliver(Message())


def test_a_delivery_after_the_work_s_end_is_refused(make: Make) -> None:
    import contextvars

    endpoint = make(lambda *_: None).create_endpoint()
    with under(ALICE):
        context = contextvars.copy_context()
    with pytest.raises(ScopeError):
        context.run(endpoint.deliver, Message())


def test_two_factories_of_equal_settings_are_two_and_show_no_secret(make: Make) -> None:
    credential = Subject.of_user("feeder", "home")
    one, other = (
        make(print, sign_on=lambda: credential, concurrency=3, redelivery=RedeliveryPolicy(4, 2.0)) for _ in range(2)
    )
    assert one != other
    assert one.sign_on() is credential
    assert (one.concurrency, one.redelivery, one.transacted) == (3, RedeliveryPolicy(4, 2.0), False)
    assert "orders:jms/in" in repr(one)
    assert "orders:jms/in" in repr(one.create_endpoint())


# --- the whole inbound walk ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_message_of_alice_is_handled_as_alice_and_nothing_of_her_is_left(
    make: Make, loop: EventLoopThread, kind: str
) -> None:
    def plain(message: Message, context: MessageContext) -> str:
        return str(context.caller_principal)

    async def coroutine(message: Message, context: MessageContext) -> str:
        return str((current_subject() or EVE).caller)

    manager = ContainerWorkManager(
        FakeIdentity({"alice": ["clerks"]}),
        container="c",
        realm="home",
        limits=WorkLimits(max_threads=1),
        loop=loop,
    )
    endpoint = make(plain if kind == "def" else coroutine, roles_allowed={"clerk"}).create_endpoint()
    said = SaidContext(lambda handler, subject: handler.handle([CallerPrincipalCallback(subject, "alice")]))
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(manager.shutdown, PATIENCE)
        assert manager.do_work(lambda: endpoint.deliver(Message()), contexts=[said]) == "alice@home"
        with pytest.raises(Exception, match="CF-ENDP-010"):
            manager.do_work(lambda: endpoint.deliver(Message()))
