"""A route is followed over aliases, paths, mediations, foreign destinations and several buses (BUS-8, BUS-15)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support_bus import REALM, World, running
from support_links import ALIASES, Country, hop, two_containers

from connector.errors import ConnectionFailed, ConnectorError, MessagingError
from connector.spi import UNAUTHENTICATED, Message, UserPrincipal
from connector_bus.links.framing import question_from_head, question_to_head, stages_from_head
from connector_bus.links.stages import Question

ALICE, BOB, CAROL = (str(UserPrincipal(name, REALM)) for name in ("alice", "bob", "carol"))
NOBODY = str(UNAUTHENTICATED)
EVERYBODY = {"connector": ["AllAuthenticated", "Everyone"]}
FOR_BOB = {"inherit_defaults": False, "roles": {"sender": ["user:bob"]}}


def stamp(message: Message, context: Any) -> Message:
    """A mediation that leaves the message its sender's."""
    return message


def vouch(message: Message, context: Any) -> Message:
    """A mediation that makes the message its own."""
    reset: Message = context.reset_identity(message)
    return reset


def bus(destinations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"roles": EVERYBODY, "destinations": destinations, **more}


def three_buses() -> dict[str, Any]:
    """Britain knows France by a link and Spain by way of France; names lead back and forth."""
    both = ["user:alice", "user:bob"]
    return {
        "britain": bus(
            {
                "plain": {},
                "closed": FOR_BOB,
                "gate": {"mediations": [f"{__name__}:stamp"]},
                "desk": {"mediations": [{"handler": f"{__name__}:vouch", "run_as": "bob"}]},
                "news": {"type": "topic-space", "topics": {"pay": {"inherit_sender": False}}},
                "local": {"type": "alias", "target": "plain"},
                "abroad": {"type": "alias", "target": "forecasts", "bus": "france"},
                "second": {"type": "alias", "target": "sun"},
                "sun": {
                    "type": "foreign-destination",
                    "bus": "spain",
                    "target": "sun",
                    "roles": {"sender": ["user:alice"]},
                },
                "round": {
                    "type": "foreign-destination",
                    "bus": "france",
                    "target": "back",
                    "roles": {"sender": both},
                },
                "replies": {},
            },
            foreign_buses={
                "france": hop("france", senders=both, topic_spaces={"news": "nouvelles"}),
                "spain": {"via": "france", "roles": {"sender": both}},
                "nowhere": {"roles": {"sender": both}},
            },
        ),
        "france": bus(
            {
                "forecasts": {},
                "closed": FOR_BOB,
                "nouvelles": {"type": "topic-space"},
                "back": {"type": "foreign-destination", "bus": "britain", "target": "round", "roles": {"sender": both}},
            },
            foreign_buses={"britain": hop("britain", senders=both), "spain": hop("spain", senders=["user:alice"])},
        ),
        "spain": bus(
            {"sun": {"inherit_defaults": False, "roles": {"sender": ["user:carol"]}}, "beach": {}},
            foreign_buses={"france": hop("france", inbound_user="carol")},
        ),
    }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("routes"), three_buses(), aliases=ALIASES) as started:
        yield started


@pytest.fixture
def britain(world: World) -> Country:
    return Country(world, "britain")


def route(britain: Country, destination: str, user: str | None = "alice", **message: Any) -> dict[str, Any]:
    found: dict[str, Any] = britain.command("route", destination=destination, user=user, **message)
    return found


def way(found: dict[str, Any], branch: str = "") -> list[tuple[str, str, str, str]]:
    return [
        (each["bus"], each["stage"], each["place"], each["identity"])
        for each in found["stages"]
        if each["branch"] == branch
    ]


def codes(found: dict[str, Any]) -> list[str]:
    return [each["code"] for each in found["stages"]]


def test_an_alias_tells_what_it_stands_for_and_which_assignments_decide(britain: Country) -> None:
    (stage,) = route(britain, "local")["stages"]
    assert (stage["place"], stage["through"], stage["allowed"]) == ("local", ["plain"], True)
    inherited = "AllAuthenticated inherited from the default resource"
    assert stage["assignment"] == f"{inherited}; {inherited}"  # on the alias, and on its target


def test_an_alias_leads_over_a_link_to_another_bus(britain: Country) -> None:
    found = route(britain, "abroad", "bob")
    assert found["stages"][0]["through"] == ["forecasts@france"]
    assert way(found) == [("britain", "sending", "abroad", BOB), ("france", "arriving", "forecasts", BOB)]
    assert (found["stages"][0]["code"], found["arrives"]) == ("CF-BUS-020", False)  # an alias has roles of its own


def test_the_foreign_destination_decides_or_else_the_foreign_bus(britain: Country) -> None:
    by_name, by_bus = route(britain, "sun")["stages"][0], route(britain, "beach@spain")["stages"][0]
    assert by_name["assignment"] == "user:alice assigned on sun on bus britain"
    assert by_bus["assignment"] == "user:alice assigned on foreign bus spain"
    denied = route(britain, "sun", "bob")["stages"][0]
    assert (denied["code"], denied["assignment"]) == ("CF-BUS-124", "grant sender on sun to user:bob")


def test_several_buses_are_asked_with_whom_the_message_is_from_at_each(britain: Country) -> None:
    found = route(britain, "sun")
    assert way(found) == [
        ("britain", "sending", "sun", ALICE),
        ("france", "passing on", "sun@spain", ALICE),
        ("spain", "arriving", "sun", CAROL),
    ]
    assert [each["came_by"] for each in found["stages"]] == ["", "", "inbound_user of the link"]
    assert found["stages"][2]["assignment"] == "user:carol assigned on sun on bus spain"
    assert found["arrives"]


def test_an_alias_of_a_foreign_destination_needs_both(britain: Country) -> None:
    refused = route(britain, "second")["stages"][0]
    assert (refused["through"], refused["allowed"]) == (["sun", "sun@spain"], True)
    assert refused["assignment"].endswith("user:alice assigned on sun on bus britain")


def test_a_forward_path_is_asked_about_name_by_name(britain: Country) -> None:
    found = route(britain, "plain", forward_path=["closed", "forecasts@france"])
    assert way(found) == [
        ("britain", "sending", "plain", ALICE),
        ("britain", "on the path", "closed", ALICE),
        ("britain", "on the path", "forecasts@france", ALICE),
        ("france", "arriving", "forecasts", ALICE),
    ]
    assert codes(found) == ["", "CF-BUS-020", "", ""]


def test_a_forward_path_goes_on_where_another_bus_goes_on(britain: Country) -> None:
    found = route(britain, "forecasts@france", forward_path=["closed"])
    assert way(found)[1:] == [("france", "arriving", "forecasts", ALICE), ("france", "on the path", "closed", ALICE)]
    assert codes(found) == ["", "", "CF-BUS-020"]


def test_a_path_ends_at_a_topic_space(britain: Country) -> None:
    found = route(britain, "news", forward_path=["plain"])
    assert (codes(found), found["arrives"]) == (["CF-BUS-221"], False)


def test_behind_a_mediation_both_its_identity_and_the_senders_are_possible(britain: Country) -> None:
    found = route(britain, "desk", forward_path=["closed"])
    assert way(found) == [("britain", "sending", "desk", ALICE), ("britain", "on the path", "closed", ALICE)]
    assert "mediations" in found["stages"][0]["note"]
    ((branch, arrives),) = [(each["branch"], each["arrives"]) for each in found["branches"]]
    assert (found["arrives"], arrives) == (False, True)
    assert way(found, branch) == [("britain", "on the path", "closed", BOB)]
    assert [each["came_by"] for each in found["stages"] if each["branch"]] == ["a mediation of desk on bus britain"]


def test_a_mediation_that_runs_as_nobody_makes_a_message_nobodys(britain: Country) -> None:
    found = route(britain, "gate", forward_path=["plain"])
    (branch,) = found["branches"]
    assert way(found, branch["branch"]) == [("britain", "on the path", "plain", NOBODY)]
    assert (found["arrives"], branch["arrives"]) == (True, False)


def test_the_reply_is_followed_back_along_the_reverse_path(britain: Country) -> None:
    found = route(britain, "forecasts@france", "bob", reply_to="replies", reverse_path=["closed@france"])
    assert way(found, "reply") == [
        ("france", "replying", "closed", BOB),
        ("france", "replying", "replies@britain", BOB),
        ("britain", "arriving", "replies", BOB),
    ]
    assert found["branches"] == [{"branch": "reply", "arrives": True}]


def test_a_reply_to_a_queue_of_a_connection_that_is_gone_is_discarded(britain: Country) -> None:
    found = route(britain, "plain", reply_to="_TEMP.reply.gone")
    assert [each["exists"] for each in found["stages"]] == [True, False]
    assert found["arrives"]


def test_publications_go_over_the_link_as_well(britain: Country) -> None:
    found = route(britain, "news")
    (branch,) = found["branches"]
    assert way(found, branch["branch"]) == [("france", "arriving", "nouvelles", ALICE)]
    assert branch == {"branch": "publication to nouvelles of bus france", "arrives": True}


@pytest.mark.parametrize(
    ("topic", "code"), [("pay", "CF-BUS-120"), ("sports", ""), ("a//b", "CF-BUS-184"), ("*", "CF-BUS-184")]
)
def test_a_topic_is_asked_about_as_well(britain: Country, topic: str, code: str) -> None:
    assert codes(route(britain, "news", topic=topic))[0] == code


def test_a_route_that_comes_round_is_told_once(britain: Country) -> None:
    found = route(britain, "round")
    assert [each["bus"] for each in found["stages"]] == ["britain", "france", "britain"]
    assert (codes(found)[-1], found["arrives"]) == ("CF-BUS-400", False)


def test_what_nothing_leads_to_is_not_there(britain: Country) -> None:
    assert codes(route(britain, "x@nowhere")) == ["CF-BUS-200"]
    assert codes(route(britain, "x")) == ["CF-BUS-030"]
    assert codes(route(britain, "_SYSTEM.Link.france")) == ["CF-BUS-206"]


def test_a_path_that_cannot_be_sent_cannot_be_followed(britain: Country) -> None:
    with pytest.raises(MessagingError) as caught:
        route(britain, "plain", forward_path=["plain"] * 32)
    assert caught.value.code == "CF-BUS-222"


def test_an_explanation_of_sending_abroad_has_the_route(britain: Country) -> None:
    by_name = britain.command("explain", role="sender", user="alice", destination="sun")
    assert [each["bus"] for each in by_name["route"]["stages"]] == ["britain", "france", "spain"]
    assert (by_name["answer"], by_name["route"]["arrives"]) == ("allowed", True)
    by_address = britain.command("explain", role="sender", user="alice", destination="closed@france")
    assert (by_address["answer"], by_address["route"]["arrives"]) == ("allowed", False)
    assert "route" in britain.command("explain", role="sender", user="alice", destination="abroad")


def test_an_explanation_of_what_stays_here_has_none(britain: Country) -> None:
    assert "route" not in britain.command("explain", role="sender", user="alice", destination="local")
    assert "route" not in britain.command("explain", role="receiver", user="alice", destination="plain")


def test_rules_are_told_within_a_container_and_not_beyond(tmp_path: Path, britain: Country) -> None:
    assert all(each["assignment"] for each in route(britain, "forecasts@france")["stages"])
    with two_containers(tmp_path) as (here, _):
        stages = here.command("route", destination="forecasts@france", user="alice", reply_to="replies")["stages"]
    assert [(each["bus"], bool(each["rule"]), bool(each["assignment"])) for each in stages] == [
        ("britain", True, True),
        ("france", False, False),
        ("france", False, False),
        ("britain", False, False),
    ]
    assert [each["identity"] for each in stages] == [ALICE] * 4


NAMES = st.sampled_from(
    ["plain", "closed", "local", "abroad", "second", "sun", "news", "forecasts@france", "closed@france", "sun@spain"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.lists(NAMES, min_size=1, max_size=4),
    user=st.sampled_from(["alice", "bob", "carol"]),
    topic=st.sampled_from([None, "pay", "sports"]),
)
def test_what_a_route_says_is_what_becomes_of_a_message(
    world: World, path: list[str], user: str, topic: str | None
) -> None:
    """An oracle: the message itself. Whatever fails in the call or on arrival, the route has told."""
    britain, (first, *rest) = Country(world, "britain"), path
    found = route(britain, first, user, forward_path=rest, topic=topic)
    before = failures(world)
    told_here = next((each["code"] for each in found["stages"] if not (each["exists"] and each["allowed"])), "")
    code = sent(britain, user, first, forward_path=rest, topic=topic)
    if code:
        assert (code, found["arrives"]) == (told_here, False)
        return
    # A publication that only its copy is refused of arrives all the same.
    refused = failures(world) - before
    told = [each for each in found["branches"] if not each["arrives"]]
    assert found["arrives"] is (refused == len(told))


def sent(country: Country, user: str, destination: str, **options: Any) -> str:
    """Send; answers the code of the refusal in the call."""
    try:
        country.send(user, destination, "x", **options)
    except ConnectorError as error:
        return error.code
    return ""


def failures(world: World) -> int:
    return sum(len(Country(world, name).exceptions()) for name in ("britain", "france", "spain"))


def test_a_question_goes_over_a_wire_whole_and_an_older_one_is_understood() -> None:
    identity = UserPrincipal("alice", REALM)
    message = Message(topic="a/b", reply_to="replies", forward_path=("a", "b"), reverse_path=("c",))
    question = Question("france", "x", identity, 3, message, "outbound_user", ("here",), published=True)
    written = json.loads(json.dumps(question_to_head(question)))
    assert question_from_head(written) == question
    older = {name: written[name] for name in ("bus", "destination", "identity", "hops")}
    assert question_from_head(older) == Question("france", "x", identity, 3)


@pytest.mark.parametrize(
    "changed",
    [
        {"message": "none"},
        {"message": {"forward": ["a"] * 40}},
        {"message": {"reverse": 7}},
        {"visited": ["x"] * 100},
        {"identity": None},
        {"hops": "many"},
    ],
)
def test_a_question_that_cannot_be_is_no_question(changed: dict[str, Any]) -> None:
    written = {**question_to_head(Question("france", "x", UNAUTHENTICATED, 0)), **changed}
    with pytest.raises(ConnectionFailed) as caught:
        question_from_head(written)
    assert caught.value.code == "CF-BUS-210"


def test_stages_are_read_as_far_as_an_older_bus_tells_them() -> None:
    told = {"bus": "france", "stage": "arriving", "place": "x", "identity": "alice", "exists": True, "allowed": None}
    (stage,) = stages_from_head([told])
    assert (stage.exists, stage.allowed, stage.through, stage.branch) == (True, None, (), "")
    (whole,) = stages_from_head([{**told, "through": ["y"], "code": 7, "branch": None}])
    assert (whole.through, whole.code) == (("y",), "7")
    for broken in ([{**told, "through": 7}], [{"bus": "x"}], [None], None):
        with pytest.raises(ConnectionFailed):
            stages_from_head(broken)
