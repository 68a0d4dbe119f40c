"""FLOW-8: while a user registry doesn't answer, deliveries wait and no message comes nearer to its limit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running

from connector.errors import DeliveryError, DeliveryPostponed, MessagingError, Reason, RegistryUnavailable, SignOnError
from connector.spi import ActivationHealth, ActivationSpec, Message, Ordering, Subject
from connector_bus.engine.consumer import LONGEST_OUTAGE_PAUSE, outage_pause

AWAY = Reason("CF-TESTBUS-020", "the directory does not answer", "Wait.")
PAUSED = Reason("CF-TESTBUS-025", "the activation is paused", "Resume it.")
NO_LEDGER = Reason("CF-TESTBUS-021", "the handler failed", "")


def health(world: World) -> ActivationHealth:
    ((factory, spec),) = world.adapter._activations
    return world.adapter.activation_health(factory, spec)


def take_away(world: World) -> dict[str, Any]:
    """The registry stops answering; answers what brings it back."""

    def asked(user: str) -> Any:
        raise RegistryUnavailable(AWAY)

    known = {"assert_user": world.identity.assert_user}
    world.identity.assert_user = asked  # type: ignore[method-assign]
    return known


def bring_back(world: World, known: dict[str, Any]) -> None:
    world.identity.assert_user = known["assert_user"]  # type: ignore[method-assign]


def test_an_outage_uses_no_attempt_up_and_deliveries_pause_for_longer_and_longer(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        counts: list[int] = []
        world.activate(lambda message: counts.append(message.delivery_count), max_redeliveries=0)
        world.connect("alice").send("requests", "x")
        known = take_away(world)
        for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
            assert world.works.pump() >= 1
            assert health(world) == ActivationHealth(subscribed=True, polled=0.0, waiting="CF-TESTBUS-020")
            world.advance(pause - 0.01)
            assert world.works.pump() == 0
            world.advance(0.01)
        bring_back(world, known)
        world.works.pump()
        assert counts == [0]
        assert health(world).waiting == ""
        assert world.exceptions() == []


def test_after_an_outage_the_pauses_begin_anew(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(lambda message: None, max_redeliveries=0)
        for _ in range(2):
            world.connect("alice").send("requests", "x")
            known = take_away(world)
            world.works.pump()
            bring_back(world, known)
            world.advance(1.0)
            world.works.pump()
            assert world.peek("requests") == []


def test_many_that_fail_by_one_outage_are_one_outage(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        delivered: list[Any] = []
        world.activate(lambda message: delivered.append(message.body), concurrency=8, max_redeliveries=0)
        for number in range(20):
            world.connect("alice").send("requests", number)
        known = take_away(world)
        world.works.pump()
        bring_back(world, known)
        world.advance(1.0)
        world.works.pump()
        assert sorted(delivered) == list(range(20))


@pytest.mark.parametrize("ordering", list(Ordering))
def test_an_outage_keeps_the_order(tmp_path: Path, ordering: Ordering) -> None:
    with running(tmp_path) as world:
        delivered: list[Any] = []
        world.activate(lambda message: delivered.append(message.body), ordering=ordering, max_redeliveries=0)
        for number in range(5):
            world.connect("alice").send("requests", Message(number, group="one"))
        known = take_away(world)
        world.works.pump()
        bring_back(world, known)
        world.advance(1.0)
        world.works.pump()
        assert delivered == [0, 1, 2, 3, 4]


def test_a_handler_whose_sign_on_fails_by_an_outage_is_not_to_blame_either(tmp_path: Path) -> None:
    away = [True]

    def handler(message: Message) -> None:
        if away:
            refusal = SignOnError(AWAY)
            refusal.retryable = True
            raise DeliveryError(NO_LEDGER) from refusal

    with running(tmp_path) as world:
        world.activate(handler, max_redeliveries=0)
        world.connect("alice").send("requests", "x")
        world.works.pump()
        assert health(world).waiting == "CF-TESTBUS-020"
        away.clear()
        world.advance(1.0)
        world.works.pump()
        assert (world.peek("requests"), world.exceptions()) == ([], [])


def test_a_refusal_is_no_outage(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(lambda message: None, max_redeliveries=0)
        world.connect("bob").send("requests", "x")
        del world.identity.users["bob"]
        world.works.pump()
        assert len(world.exceptions()) == 1


def test_what_the_endpoint_postpones_uses_no_attempt_up_and_is_taken_again_after_a_second(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        calls: list[int] = []

        def paused(message: Message) -> None:
            calls.append(message.delivery_count)
            if len(calls) < 4:
                raise DeliveryPostponed(PAUSED)

        world.activate(paused, max_redeliveries=0, ordering=Ordering.QUEUE)
        world.connect("alice").send("requests", "x")
        for _ in range(3):
            assert world.works.pump() >= 1
            assert health(world).waiting == "CF-TESTBUS-025"
            world.advance(0.99)
            assert world.works.pump() == 0, "not in a busy loop"
            world.advance(0.01)
        world.works.pump()
        assert calls == [0, 0, 0, 0]
        assert health(world).waiting == ""
        assert world.exceptions() == []


def test_an_activation_that_ends_during_a_pause_stays_ended(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        stop = world.activate(lambda message: None, max_redeliveries=0)
        world.connect("alice").send("requests", "x")
        take_away(world)
        world.works.pump()
        stop()
        world.advance(3600.0)
        assert world.works.pump() == 0
        assert [message.body for message in world.peek("requests")] == ["x"]


def test_pauses_have_a_longest() -> None:
    pauses = [outage_pause(outages) for outages in range(100)]
    assert pauses == sorted(pauses)
    assert (pauses[1], pauses[-1]) == (1.0, LONGEST_OUTAGE_PAUSE)


# --- health and loss --------------------------------------------------------------------------------------------------


def test_an_activation_that_is_none_is_not_subscribed(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        stop = world.activate(lambda message: None)
        ((factory, spec),) = world.adapter._activations
        assert health(world) == ActivationHealth(subscribed=True)
        stop()
        assert world.adapter.activation_health(factory, spec) == ActivationHealth(subscribed=False)


def test_a_queue_that_closes_under_its_consumer_is_a_lost_subscription(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(lambda message: None)
        ((factory, _),) = world.adapter._activations
        engine = world.adapter._buses["weather"].engine
        world.connect("alice").send("requests", "x")
        engine.destinations.get("requests").queue.close()
        world.works.pump()
        assert health(world).subscribed is False
        (loss,) = factory.losses  # type: ignore[attr-defined]
        assert isinstance(loss, MessagingError)
        assert loss.code == "CF-BUS-036"


def test_a_specification_of_an_unknown_bus_is_refused_before_anything_is_activated(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.adapter.validate_activation(ActivationSpec("jms/x", {"bus": "weather", "destination": "requests"}))
        with pytest.raises(Exception, match="CF-BUS-016"):
            world.adapter.validate_activation(ActivationSpec("jms/x", {"bus": "wether", "destination": "requests"}))


# --- run-as -----------------------------------------------------------------------------------------------------------


def test_a_reply_is_sent_as_whom_the_handler_acts_as(tmp_path: Path) -> None:
    carol = Subject.of_user("carol", "weather", ["forecasters"])
    with running(tmp_path) as world:
        world.activate(lambda message: "Sunny", acting=carol)
        world.connect("alice").send("requests", "x", reply_to="replies")
        world.works.pump()
        (reply,) = world.peek("replies")
        assert str(reply.identity) == "carol@weather"
