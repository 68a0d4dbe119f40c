"""Links between two containers over the network, through their chains (BUS-9, BUS-14)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from support_bus import REALM, FakeIdentity, running
from support_links import ALIASES
from support_network_links import BASIC, SECURE, Cutter, at_a_port, port_of, two_sites, until_idle
from support_wire import require_proton

from connector.errors import ConfigError
from connector.spi import UNAUTHENTICATED, Outcome, UserPrincipal
from connector_bus.adapter.configuration import read_buses

pytestmark = pytest.mark.amqp
require_proton()


@pytest.mark.parametrize("chain", [SECURE, BASIC])
def test_a_message_arrives_with_its_senders_identity(tmp_path: Path, chain: str) -> None:
    with two_sites(tmp_path, chain=chain) as (here, there):
        here.send("alice", "forecasts@france", {"sky": "grey"}, properties={"day": "Monday"}, priority=7)
        (message,) = there.peek("forecasts")
        assert (message.body, message.priority, dict(message.properties)) == ({"sky": "grey"}, 7, {"day": "Monday"})
        assert message.identity == UserPrincipal("alice", REALM)
        shown = here.link("france")
        assert (shown["state"], shown["transport"], shown["endpoint"]) == (
            "connected",
            "chain",
            f"127.0.0.1:{port_of(there)}",
        )


def test_a_request_is_answered_over_the_reverse_link(tmp_path: Path) -> None:
    with two_sites(tmp_path) as (here, there):
        there.activate("forecasts", lambda message: f"{message.body} for {message.identity}", acting="bob")
        reply = here.request("alice", "forecasts@france", "rain", until=there)
    assert reply.body == f"rain for {UserPrincipal('alice', REALM)}"
    assert reply.identity == UserPrincipal("bob", REALM)


def test_what_is_refused_on_arrival_is_an_exception_there(tmp_path: Path) -> None:
    with two_sites(tmp_path) as (here, there):
        here.send("alice", "secrets@france", "hush")
        (failed,) = there.exceptions()
        assert (failed.properties["exception_reason"], failed.properties["exception_link"]) == ("CF-BUS-020", "britain")


@pytest.mark.parametrize("seed", range(3))
def test_a_connection_that_is_cut_anywhere_loses_and_doubles_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    cuts = [chance.choice((chance.randint(1, 200), chance.randint(200, 6000))) for _ in range(12)]
    with Cutter(0, cuts) as way, two_sites(tmp_path, chain=BASIC, through=way.port) as (here, there):
        way.aim(port_of(there))
        for number in range(150):
            with here.connect("alice") as connection:
                connection.send("forecasts@france", number)
        until_idle(here)
        assert [each.body for each in there.peek("forecasts")] == list(range(150))
        assert here.link("france")["state"] == "connected"
        assert way.cuts == []


def test_messages_wait_for_a_container_that_is_away_and_go_on_once_it_is_there(tmp_path: Path) -> None:
    with two_sites(tmp_path) as (here, there):
        here.send("alice", "forecasts@france", 1)
        there.world.stop()
        here.send("alice", "forecasts@france", 2)
        assert (here.link("france")["state"], here.link("france")["waiting"]) == ("retrying", 1)
        there.world = there._start("france")
        until_idle(here)
        assert [each.body for each in there.peek("forecasts")] == [1, 2]


def test_the_next_endpoint_is_taken_where_one_does_not_answer(tmp_path: Path) -> None:
    with Cutter(0, [1, 1]) as dead, two_sites(tmp_path) as (here, there):
        endpoints = [f"127.0.0.1:{dead.port}", f"127.0.0.1:{port_of(there)}"]
        here.reconfigure(link={"endpoints": endpoints})
        here.send("alice", "forecasts@france", "rain")
        assert [each.body for each in there.peek("forecasts")] == ["rain"]
        assert here.link("france")["endpoint"] == endpoints[1]


def test_inbound_and_outbound_users_replace_the_identity(tmp_path: Path) -> None:
    with two_sites(tmp_path, here={"outbound_user": "carol"}) as (here, there):
        here.send("alice", "forecasts@france", "out")
        there.reconfigure(link={"inbound_user": "bob"})
        until_idle(here)
        here.send("alice", "forecasts@france", "in")
        until_idle(here)
        assert [each.identity for each in there.peek("forecasts")] == [
            UserPrincipal("carol", REALM),
            UserPrincipal("bob", REALM),
        ]


def test_a_route_over_the_network_is_explained_and_followed(tmp_path: Path) -> None:
    with two_sites(tmp_path) as (here, _):
        arrives = here.command("route", destination="forecasts@france", user="alice")
        refused = here.command("route", destination="secrets@france", user="alice")
    assert (arrives["arrives"], refused["arrives"]) == (True, False)
    assert refused["stages"][-1]["code"] == "CF-BUS-020"


def test_what_arrives_together_is_stored_together_and_what_is_refused_of_it_alone(tmp_path: Path) -> None:
    narrow = {"destinations": {"narrow": {"max_depth": 3, "send_timeout": 0}}}
    with two_sites(tmp_path, there=narrow) as (here, there):
        with here.connect("alice") as connection:
            for number in range(12):
                to = {3: "secrets", 7: "narrow", 8: "narrow", 9: "narrow", 10: "narrow"}.get(number, "forecasts")
                connection.send(f"{to}@france", number)
        until_idle(here)
        assert [each.body for each in there.peek("forecasts")] == [0, 1, 2, 4, 5, 6, 11]
        assert [each.body for each in there.peek("narrow")] == [7, 8, 9]
        failed = [(each.body, each.properties["exception_reason"]) for each in there.exceptions()]
        assert failed == [(3, "CF-BUS-020"), (10, "CF-BUS-173")]
        assert (here.link("france")["sent"], here.link("france")["refused"]) == (10, 2)


# --- who is let in ----------------------------------------------------------------------------------------------------


def why(here: object) -> str:
    link = here.link("france")  # type: ignore[attr-defined]
    assert link["state"] == "retrying"
    return str(link["text"])


def test_a_wrong_password_opens_no_link_and_is_in_no_text(tmp_path: Path) -> None:
    with two_sites(tmp_path, alias_here=("server", "guessed")) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert (here.link("france")["code"], there.peek("forecasts")) == ("CF-BUS-445", [])
        assert "guessed" not in str(here.link("france"))


def test_another_user_than_the_links_opens_none_and_is_audited(tmp_path: Path) -> None:
    with two_sites(tmp_path, alias_here=("bob", "bob-pw")) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-203" in why(here)
        assert there.peek("forecasts") == []
        (denied,) = [each for each in there.world.audit.events if each.action == "bus.link"]
        assert (denied.who, denied.outcome, denied.reason) == (f"bob@{REALM}", Outcome.DENIED, "CF-BUS-203")


def test_nobody_opens_a_link_with_a_secured_bus(tmp_path: Path) -> None:
    with two_sites(tmp_path, here={"alias": None}) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-203" in why(here)


def test_a_secured_bus_takes_no_link_from_the_network_whose_definition_has_no_alias(tmp_path: Path) -> None:
    with two_sites(tmp_path, there={"alias": None}) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-442" in why(here)


def test_a_link_that_is_not_defined_for_the_network_is_not_taken_from_there(tmp_path: Path) -> None:
    with two_sites(tmp_path, there={"transport": "in-process", "endpoints": None}) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-440" in why(here)


def test_a_plain_link_is_taken_only_where_this_end_allows_it_as_well(tmp_path: Path) -> None:
    with two_sites(tmp_path, chain=BASIC, there={"chain": SECURE, "tls": "node", "allow_plain": False}) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-441" in why(here)


def test_a_link_that_comes_to_another_chain_than_it_names_is_refused(tmp_path: Path) -> None:
    with two_sites(tmp_path, here={"chain": "OutboundThing"}) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-443" in why(here)


def test_a_bus_takes_links_over_permitted_chains_only(tmp_path: Path) -> None:
    with two_sites(tmp_path, there={"permitted_chains": ["Another"]}) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-160" in why(here)


def test_a_server_whose_certificate_is_not_trusted_hears_no_password(tmp_path: Path) -> None:
    with two_sites(tmp_path, here={"tls": "stranger"}) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-447" in why(here)
        assert [each for each in there.world.audit.events if each.action == "bus.link"] == []


def test_between_buses_that_are_not_secured_nobody_has_to_sign_on(tmp_path: Path) -> None:
    opened = {"security": False, "alias": None, "allow_plain": False}
    with two_sites(tmp_path, chain=BASIC, here=opened, there=opened) as (here, there):
        with here.connect(None) as connection:
            connection.send("forecasts@france", "rain")
        here.pump()
        assert [each.identity for each in there.peek("forecasts")] == [UNAUTHENTICATED]


# --- what the configuration says --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ({"endpoints": []}, "CF-BUS-448"),
        ({"endpoints": ["france"]}, "CF-BUS-448"),
        ({"endpoints": ["france:0"]}, "CF-BUS-448"),
        ({"endpoints": ["::1:7286"]}, "CF-BUS-448"),
        ({"tls": None}, "CF-BUS-449"),
        ({"chain": BASIC}, "CF-BUS-449"),
        ({"chain": BASIC, "tls": None}, "CF-BUS-450"),
        ({"chain": "Own", "tls": None}, "CF-BUS-450"),
        ({"chain": "Own", "tls": None, "allow_plain": True}, None),
        ({"endpoints": ["[::1]:7286", "france.example:7286"]}, None),
    ],
)
def test_what_is_wrong_with_a_link_is_said_at_the_start(link: dict[str, object], code: str | None) -> None:
    settings = at_a_port("britain", 7286, link)
    if code is None:
        assert read_buses({"britain": settings}, FakeIdentity())["britain"].ways["france"].link is not None
        return
    with pytest.raises(ConfigError, match=code):
        read_buses({"britain": settings}, FakeIdentity())


def test_a_password_goes_in_plain_text_only_where_that_is_allowed_although_the_bus_is_not_secured() -> None:
    settings = at_a_port("britain", 7276, {"allow_plain": False}, over=BASIC) | {"security": False}
    with pytest.raises(ConfigError, match="password"):
        read_buses({"britain": settings}, FakeIdentity())


@pytest.mark.parametrize(
    ("link", "severity"),
    [
        ({}, None),
        ({"chain": BASIC, "tls": None, "allow_plain": True}, "note"),
        ({"chain": BASIC, "tls": None, "allow_plain": True, "endpoints": ["france.example:7276"]}, "warning"),
        ({"allow_plain": True, "endpoints": ["france.example:7286"]}, "warning"),
    ],
)
def test_check_tells_of_links_in_plain_text(tmp_path: Path, link: dict[str, object], severity: str | None) -> None:
    settings = at_a_port("britain", 7286, link)
    with running(tmp_path, {"britain": settings}, aliases=ALIASES) as world:
        found = [each.severity for each in world.adapter.findings() if each.reason.code == "CF-BUS-452"]
    assert found == ([] if severity is None else [severity])


def test_endpoints_alone_say_that_a_link_goes_over_the_network() -> None:
    settings = at_a_port("britain", 7286, {"transport": None, "chain": None})
    link = read_buses({"britain": settings}, FakeIdentity())["britain"].ways["france"].link
    assert link is not None
    assert (link.transport, link.chain, link.endpoints) == ("chain", SECURE, (("127.0.0.1", 7286),))
    assert ALIASES["link"][1] not in repr(link)
