"""One identity travels the whole circle: client, bus, handler, database, reply."""

from __future__ import annotations

import sys
import threading

import pytest
from support_container import HANDLERS, ProfileFolder, request

from connector.errors import HandleClosed, IdentityMismatch, RequestFailed, SignOnError

EXCEPTIONS = "_SYSTEM.Exception.Destination.shop"


def test_the_handler_runs_under_the_senders_identity_and_replies(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
        assert request(container, "bob", {"item": "milk"}, profile.password) == {"taken": "milk"}
    assert profile.rows() == [("alice", "tea"), ("bob", "milk")]


def test_a_caller_without_the_role_is_refused_told_and_its_message_kept(profile: ProfileFolder) -> None:
    profile.edit(
        "[applications]",
        '[buses.shop.destinations."_SYSTEM.Exception.Destination.shop"]\n'
        'inherit_defaults = false\nroles = { browser = ["user:admin"] }\n\n[applications]',
    )
    with profile.open() as container:
        with pytest.raises(RequestFailed) as refused:
            request(container, "carol", {"item": "tea"}, profile.password)
        assert "CF-ENDP-010" in str(refused.value)
        with container.lookup("jms/shop").get_connection("admin", profile.password) as bus:
            kept = list(bus.browse(EXCEPTIONS))
    assert profile.rows() == []
    assert [(str(m.identity), m.body, m.properties["exception_reason"]) for m in kept] == [
        ("carol@shop", {"item": "tea"}, "CF-ENDP-010")
    ]
    assert kept[0].properties["exception_destination"] == "orders"


def test_two_callers_at_once_are_never_mixed_up(profile: ProfileFolder) -> None:
    profile.edit('bind = "jms/orders-in"', 'bind = "jms/orders-in"\nconcurrency = 4', descriptor=True)
    with profile.open() as container:
        done: list[object] = []

        def client(user: str) -> None:
            done.extend(request(container, user, {"item": f"{user}{n}"}, profile.password) for n in range(3))

        threads = [threading.Thread(target=client, args=(user,)) for user in ("alice", "bob")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(done) == 6
    assert len(profile.rows()) == 6
    assert all(item.startswith(caller) for caller, item in profile.rows())


def test_an_async_handler_is_the_same_circle(profile: ProfileFolder) -> None:
    profile.handlers(HANDLERS.replace("def take_order", "async def take_order"))
    with profile.open() as container:
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
    assert profile.rows() == [("alice", "tea")]


def test_a_bus_connection_that_a_handler_leaves_to_a_thread_sends_nothing_in_its_callers_name(
    profile: ProfileFolder,
) -> None:
    profile.handlers(
        "from connector import message_driven\n"
        "KEPT = []\n"
        "@message_driven(activation='jms/orders', roles_allowed={'buyer'})\n"
        "def take_order(message, context):\n"
        "    KEPT.append(context.lookup('jms/shop').get_connection())\n"
        "    KEPT[0].send('orders.copies', message.body)\n"
        "    return {'taken': True}\n"
    )
    profile.edit("[applications]", '[buses.shop.destinations."orders.copies"]\ntype = "queue"\n\n[applications]')
    with profile.open() as container:
        request(container, "alice", {"item": "tea"}, profile.password)
        (kept,) = sys.modules[profile.module].KEPT
        # The end of the delivery closes it, which may be just now.
        with pytest.raises((SignOnError, HandleClosed)):
            kept.send("orders.copies", {"item": "forged"})
        with container.login("bob", profile.password), pytest.raises((IdentityMismatch, HandleClosed)):
            kept.send("orders.copies", {"item": "forged"})
        kept.close()
        with container.bus_connection("shop", "admin", profile.password) as bus:
            assert [(str(m.identity), m.body) for m in bus.browse("orders.copies")] == [("alice@shop", {"item": "tea"})]


def test_stored_requests_survive_a_restart(profile: ProfileFolder) -> None:
    profile.edit(f'handlers = ["{profile.module}"]', "handlers = []", descriptor=True)
    text = profile.descriptor.read_text()
    head, separator, tail = text.partition('[activations."jms/orders"]')
    profile.descriptor.write_text(head)
    with profile.open() as container, container.login("alice", profile.password):
        with container.application("shop").lookup("jms/shop").get_connection() as bus:
            bus.send("orders", {"item": "tea"}, reply_to="answers")
    profile.descriptor.write_text(head.replace("handlers = []", f'handlers = ["{profile.module}"]') + separator + tail)
    profile.edit("[applications]", '[buses.shop.destinations.answers]\ntype = "queue"\n\n[applications]')
    with profile.open() as container, container.login("alice", profile.password):
        with container.application("shop").lookup("jms/shop").get_connection() as bus:
            answer = bus.receive("answers", timeout=10.0)
    assert answer is not None
    assert answer.body == {"taken": "tea"}
    assert str(answer.identity) == "alice@shop"
