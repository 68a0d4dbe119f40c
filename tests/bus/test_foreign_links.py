"""Messages to another bus: over a link, in one container and between two (BUS-9)."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from support_bus import REALM, running
from support_links import ALIASES, Country, britain, france, hop, two_containers

from connector.errors import AccessDenied, MessagingError, NameNotFound, RequestFailed
from connector.spi import UNAUTHENTICATED, Message, UserPrincipal


def test_a_message_to_another_bus_arrives_there_with_its_senders_identity(tmp_path: Path) -> None:
    with running(tmp_path, {"britain": britain(), "france": france()}, aliases=ALIASES) as world:
        with world.connect("alice", bus="britain") as connection:
            connection.send("forecasts@france", "rain", properties={"day": "Monday"}, priority=7)
        world.works.pump()
        with world.connect("bob", bus="france") as connection:
            message = connection.receive("forecasts", timeout=0)
    assert message is not None
    assert (message.body, message.priority, dict(message.properties)) == ("rain", 7, {"day": "Monday"})
    assert message.identity == UserPrincipal("alice", REALM)
    assert message.destination == "forecasts"


def test_a_foreign_destination_is_a_name_here_for_one_there(tmp_path: Path) -> None:
    paris = {"type": "foreign-destination", "bus": "france", "target": "forecasts", "roles": {"sender": ["user:bob"]}}
    with running(
        tmp_path, {"britain": britain(destinations={"paris": paris}), "france": france()}, aliases=ALIASES
    ) as world:
        with world.connect("bob", bus="britain") as connection:
            connection.send("paris", "sun")
        world.works.pump()
        assert [each.body for each in Country(world, "france").peek("forecasts")] == ["sun"]
        with world.connect("alice", bus="britain") as connection, pytest.raises(AccessDenied) as caught:
            connection.send("paris", "sun")  # what is said of one destination replaces what is said of its bus
        assert caught.value.code == "CF-BUS-124"


def test_an_alias_for_what_is_on_another_bus_is_checked_as_it_says(tmp_path: Path) -> None:
    def alias(check: str) -> dict[str, object]:
        named = {"type": "alias", "target": "forecasts", "bus": "france", "check": check}
        return {**named, "roles": {"sender": ["user:alice", "user:bob"]}}

    destinations = {f"by-{check}": alias(check) for check in ("both", "alias", "target")}
    buses = {"britain": britain(destinations=destinations), "france": france()}
    with running(tmp_path, buses, aliases=ALIASES) as world:
        refused = []
        for user, name in itertools.product(("alice", "bob"), destinations):
            with world.connect(user, bus="britain") as connection:
                try:
                    connection.send(name, f"{user} {name}")
                except AccessDenied:
                    refused.append((user, name))
        world.works.pump()
        assert refused == [("bob", "by-both"), ("bob", "by-target")]
        assert [each.body for each in Country(world, "france").peek("forecasts")] == [
            "alice by-both",
            "alice by-alias",
            "alice by-target",
            "bob by-alias",
        ]


def test_who_may_not_send_abroad_is_told_in_the_call_and_nothing_is_stored(tmp_path: Path) -> None:
    with running(tmp_path, {"britain": britain(), "france": france()}, aliases=ALIASES) as world:
        with world.connect("bob", bus="britain") as connection, pytest.raises(AccessDenied) as caught:
            connection.send("forecasts@france", "rain")
        assert caught.value.code == "CF-BUS-124"
        assert Country(world, "britain").peek("_SYSTEM.Link.france") == []


def test_a_bus_without_a_way_to_it_is_refused_in_the_call(tmp_path: Path) -> None:
    bus = britain(foreign_buses={"spain": {"roles": {"sender": ["AllAuthenticated"]}}})
    with (
        running(tmp_path, {"britain": bus}, aliases=ALIASES) as world,
        world.connect("alice", bus="britain") as connection,
    ):
        with pytest.raises(NameNotFound) as caught:
            connection.send("forecasts@spain", "rain")
        assert caught.value.code == "CF-BUS-200"
        with pytest.raises(NameNotFound) as caught:
            connection.send("forecasts@portugal", "rain")
        assert caught.value.code == "CF-BUS-030"


def test_nobody_sends_to_the_queue_of_a_link_itself(tmp_path: Path) -> None:
    with (
        running(tmp_path, {"britain": britain(security=False)}) as world,
        world.connect(None, bus="britain") as connection,
    ):
        with pytest.raises(MessagingError) as caught:
            connection.send("_SYSTEM.Link.france", "rain")
        assert caught.value.code == "CF-BUS-206"


def test_order_is_kept_over_more_than_a_batch(tmp_path: Path) -> None:
    with running(tmp_path, {"britain": britain(), "france": france()}, aliases=ALIASES) as world:
        with world.connect("alice", bus="britain") as connection:
            for number in range(150):
                connection.send("forecasts@france", number)
        world.works.pump()
        assert [each.body for each in Country(world, "france").peek("forecasts")] == list(range(150))
        assert Country(world, "britain").peek("_SYSTEM.Link.france") == []
        assert world.adapter.run_command("links", {"bus": "britain"})["links"][0]["sent"] == 150


def test_a_request_is_answered_over_the_reverse_link(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        there.activate("forecasts", lambda message: f"{message.body} for {message.identity}", acting="bob")
        reply = here.request("alice", "forecasts@france", "rain", until=there)
    assert reply.body == f"rain for {UserPrincipal('alice', REALM)}"
    assert reply.identity == UserPrincipal("bob", REALM)


def test_a_failing_service_abroad_tells_the_requester(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        there.activate("forecasts", lambda _message: 1 / 0, acting="bob")
        with pytest.raises(RequestFailed) as caught:
            here.request("alice", "forecasts@france", "rain", until=there)
    assert caught.value.details["fault_code"] == "CF-BUS-045"


def test_a_request_that_is_refused_on_arrival_fails_at_once(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        with pytest.raises(RequestFailed) as caught:
            here.request("alice", "secrets@france", "what is it?", until=there)
        assert caught.value.details["fault_code"] == "CF-BUS-020"
        (failed,) = there.exceptions()
    told = failed.properties
    assert told["exception_reason"] == "CF-BUS-020"
    assert told["exception_destination"] == "secrets"
    assert (told["exception_link"], told["exception_stage"]) == ("britain", "arrival")
    assert told["exception_identity"] == told["exception_identity_came"] == str(UserPrincipal("alice", REALM))
    assert "does not hold the sender role" in str(told["exception_rule"])


def test_a_forged_fault_is_a_message_like_any_other(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        with here.connect("alice") as connection:
            connection.send("secrets@france", "hush", properties={"connector_fault": "CF-BUS-045"})
        here.pump()
        assert there.peek("secrets") == []
        assert [each.body for each in there.exceptions()] == ["hush"]


def test_a_destination_that_is_not_there_is_an_exception_of_the_link(tmp_path: Path) -> None:
    with two_containers(tmp_path, there={"exception_destination": "strays", "destinations": {"strays": {}}}) as (
        here,
        there,
    ):
        here.send("alice", "nowhere@france", "lost?")
        (stray,) = there.peek("strays")
        assert (stray.body, stray.properties["exception_reason"]) == ("lost?", "CF-BUS-030")
        assert here.link("france")["refused"] == 1


def test_the_exception_destination_of_the_target_comes_first(tmp_path: Path) -> None:
    more = {"destinations": {"strays": {}, "forecasts": {"max_message_size": 3, "exception_destination": "strays"}}}
    with two_containers(tmp_path, there=more) as (here, there):
        here.send("alice", "forecasts@france", "too long")
        assert [each.properties["exception_reason"] for each in there.peek("strays")] == ["CF-BUS-174"]
        assert there.exceptions() == []


def test_a_link_without_exception_destination_waits_with_all_behind_it_and_goes_on(tmp_path: Path) -> None:
    with two_containers(tmp_path, there={"exception_destination": "none"}) as (here, there):
        here.send("alice", "secrets@france", "first")
        here.send("alice", "forecasts@france", "second")
        assert (there.peek("forecasts"), there.exceptions()) == ([], [])
        state = here.link("france")
        assert (state["state"], state["code"], state["waiting"]) == ("blocked", "CF-BUS-020", 2)
        there.reconfigure(destinations={"secrets": {"roles": {"sender": ["user:alice"]}}})
        here.advance(60)
        here.pump()
        assert [each.body for each in there.peek("secrets")] == ["first"]
        assert [each.body for each in there.peek("forecasts")] == ["second"]
        assert here.link("france")["state"] == "connected"


def test_a_best_effort_message_never_blocks_a_link(tmp_path: Path) -> None:
    with two_containers(tmp_path, there={"exception_destination": "none"}) as (here, there):
        here.send("alice", "secrets@france", "first", reliability="best-effort")
        here.send("alice", "forecasts@france", "second")
        assert [each.body for each in there.peek("forecasts")] == ["second"]


def test_messages_wait_for_a_bus_that_is_away_and_survive_a_restart(tmp_path: Path) -> None:
    with two_containers(tmp_path, start_there=False) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert (here.link("france")["state"], here.link("france")["code"]) == ("retrying", "CF-BUS-201")
    with two_containers(tmp_path) as (here, there):
        here.pump()
        (message,) = there.peek("forecasts")
        assert (message.body, message.identity) == ("rain", UserPrincipal("alice", REALM))


def test_a_link_that_was_cut_is_opened_again(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        here.send("alice", "forecasts@france", 1)
        there.restart()
        here.send("alice", "forecasts@france", 2)
        here.advance(60)
        here.pump()
        assert [each.body for each in there.peek("forecasts")] == [1, 2]


def test_the_other_end_must_present_the_same_user(tmp_path: Path) -> None:
    with two_containers(tmp_path, here_alias=("bob", "bob-pw")) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert there.peek("forecasts") == []
        assert here.link("france")["code"] == "CF-BUS-213"
        assert "CF-BUS-203" in here.link("france")["text"]


def test_a_wrong_password_opens_no_link(tmp_path: Path) -> None:
    with two_containers(tmp_path, here_alias=("server", "guessed")) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert there.peek("forecasts") == []
        assert "CF-BUS-204" in here.link("france")["text"]
        assert "guessed" not in str(here.link("france"))


def test_a_bus_that_is_not_known_opens_no_link(tmp_path: Path) -> None:
    with running(tmp_path, {"britain": britain(), "france": france(foreign_buses={})}, aliases=ALIASES) as world:
        with world.connect("alice", bus="britain") as connection:
            connection.send("forecasts@france", "rain")
        world.works.pump()
        assert Country(world, "britain").link("france")["code"] == "CF-BUS-202"


def test_without_alias_no_identity_that_comes_over_the_link_is_believed(tmp_path: Path) -> None:
    open_to_all = {"destinations": {"forecasts": {"roles": {"sender": ["Everyone"]}}}, "alias": None}
    with two_containers(tmp_path, there=open_to_all, here={"alias": None}) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert [each.identity for each in there.peek("forecasts")] == [UNAUTHENTICATED]


def test_an_indirect_route_is_checked_on_each_bus(tmp_path: Path) -> None:
    buses = {
        "britain": britain(
            foreign_buses={
                "france": hop("france"),
                "spain": {"via": "france", "roles": {"sender": ["user:alice", "user:bob"]}},
            }
        ),
        "france": france(foreign_buses={"britain": hop("britain"), "spain": hop("spain", senders=["user:alice"])}),
        "spain": {
            **france(foreign_buses={"france": hop("france"), "britain": {"via": "france"}}),
            "destinations": {"sun": {}},
        },
    }
    with running(tmp_path, buses, aliases=ALIASES) as world:
        for user in ("alice", "bob"):
            with world.connect(user, bus="britain") as connection:
                connection.send("sun@spain", user)
        world.works.pump()
        (arrived,) = Country(world, "spain").peek("sun")
        assert (arrived.body, arrived.identity) == ("alice", UserPrincipal("alice", REALM))
        (stopped,) = Country(world, "france").exceptions()
        told = stopped.properties
        assert (stopped.body, told["exception_reason"], told["exception_stage"]) == ("bob", "CF-BUS-124", "passing on")


def test_reply_addresses_are_those_of_the_asking_bus_on_every_bus(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        with here.connect("alice") as connection:
            connection.send("forecasts@france", "rain", reply_to="replies")
        here.pump()
        (message,) = there.peek("forecasts")
        assert message.reply_to == "replies@britain"
        there.send("bob", message.reply_to, "thanks")
        assert [each.body for each in here.peek("replies")] == ["thanks"]


def test_a_mediation_routes_to_another_bus_under_the_identity_in_the_message(tmp_path: Path) -> None:
    gate = {"mediations": ["support_links:to_france"], "roles": {"sender": ["AllAuthenticated"]}}
    with running(
        tmp_path, {"britain": britain(destinations={"gate": gate}), "france": france()}, aliases=ALIASES
    ) as world:
        for user in ("alice", "bob"):
            with world.connect(user, bus="britain") as connection:
                connection.send("gate", user)
        world.works.pump()
        assert [each.body for each in Country(world, "france").peek("forecasts")] == ["alice"]
        assert [each.properties["exception_reason"] for each in Country(world, "britain").exceptions()] == [
            "CF-BUS-124"
        ]


def test_messages_that_need_not_survive_cross_as_well(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        here.send("alice", "forecasts@france", "now", reliability="express")
        assert [(each.body, each.persistent) for each in there.peek("forecasts")] == [("now", False)]


def test_a_link_that_is_stopped_keeps_its_messages_until_it_is_started(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        here.command("link_stop", link="france")
        here.send("alice", "forecasts@france", "rain")
        assert (here.link("france")["state"], here.link("france")["waiting"]) == ("stopped", 1)
        here.command("link_start", link="france")
        here.pump()
        assert [each.body for each in there.peek("forecasts")] == ["rain"]


def test_large_bodies_cross_in_batches_of_bounded_size(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        bodies = [bytes([number]) * 3_000_000 for number in range(4)]
        for body in bodies:
            here.send("alice", "forecasts@france", body)
        assert [each.body for each in there.peek("forecasts")] == bodies


def test_a_changed_outbound_user_counts_from_the_next_message_on(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        here.send("alice", "forecasts@france", 1)
        here.reconfigure(link={"outbound_user": "carol"})
        here.send("alice", "forecasts@france", 2)
        here.advance(60)
        here.pump()
        assert [each.identity for each in there.peek("forecasts")] == [
            UserPrincipal("alice", REALM),
            UserPrincipal("carol", REALM),
        ]


def test_messages_of_a_whole_message_keep_what_they_say(tmp_path: Path) -> None:
    with two_containers(tmp_path) as (here, there):
        with here.connect("alice") as connection:
            sent = connection.send("forecasts@france", Message({"sky": "grey"}, correlation_id="c-1", group="g"))
        here.pump()
        (message,) = there.peek("forecasts")
        assert (message.body, message.correlation_id, message.group) == ({"sky": "grey"}, "c-1", "g")
        assert message.message_id == sent


def test_a_link_that_is_made_taken_away_and_made_again_keeps_what_waited(tmp_path: Path) -> None:
    lone = britain(foreign_buses={})
    with running(tmp_path, {"britain": lone, "france": france()}, aliases=ALIASES) as world:

        def change(section: dict[str, object]) -> None:
            made = world.adapter.sections_changed({"buses": {"britain": section, "france": france()}})
            assert made is not None
            assert list(made.restart) == []
            made.apply()

        paused = hop("france", senders=["user:alice"], enabled=False)
        change(britain(foreign_buses={"france": paused}))
        here = Country(world, "britain")
        here.send("alice", "forecasts@france", "rain")
        assert here.link("france")["state"] == "stopped"
        change(lone)
        with pytest.raises(NameNotFound):
            here.send("alice", "forecasts@france", "lost")
        change(britain())
        world.works.pump()
        assert [each.body for each in Country(world, "france").peek("forecasts")] == ["rain"]


def test_a_full_destination_is_waited_for_once_in_a_batch(tmp_path: Path) -> None:
    full = {"destinations": {"forecasts": {"max_depth": 2, "send_timeout": 0}}}
    with two_containers(tmp_path, there=full) as (here, there):
        with here.connect("alice") as connection:
            for number in range(4):
                connection.send("forecasts@france", number)
        here.pump()
        assert [each.body for each in there.peek("forecasts")] == [0, 1]
        assert [each.properties["exception_reason"] for each in there.exceptions()] == ["CF-BUS-173"] * 2
