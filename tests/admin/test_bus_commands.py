"""`connector bus`: roles and resources by edits of the configuration, on the files and live (BUS-12)."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from support_shop_commands import Shop

from connector import Container
from connector.errors import AccessDenied, RequestFailed


def said(shop: Shop) -> Any:
    """The bus's tables, as they stand in the file."""
    return tomllib.loads(shop.text)["buses"]["shop"]


# --- roles -----------------------------------------------------------------------------------------------------------


def test_the_connector_role_is_given_and_taken(shop: Shop) -> None:
    before = shop.text
    assert shop("bus", "roles", "add", "shop", "connector", "group:buyers").exit_code == 0
    assert "group:buyers" in said(shop)["roles"]["connector"]
    assert shop("bus", "roles", "remove", "shop", "connector", "group:buyers").exit_code == 0
    assert shop.text == before


@pytest.mark.parametrize("command", [("add", "user:shop-service"), ("remove", "user:alice")])
def test_what_is_so_already_is_left_alone(shop: Shop, command: tuple[str, str]) -> None:
    before, (verb, holder) = shop.text, command
    report = shop.json("bus", "roles", verb, "shop", "receiver", holder, "--destination", "orders")
    assert report["changed"] is False
    assert shop.text == before


def test_giving_a_default_role_keeps_what_a_new_bus_gives(shop: Shop) -> None:
    shop("bus", "roles", "add", "shop", "sender", "Everyone", "--default")
    assert said(shop)["default_roles"]["sender"] == ["AllAuthenticated", "Everyone"]


def test_what_a_new_bus_gives_can_be_taken(shop: Shop) -> None:
    shop("bus", "roles", "remove", "shop", "sender", "AllAuthenticated", "--default")
    assert said(shop)["default_roles"]["sender"] == []
    assert shop("bus", "roles", "list", "shop", "--default").stdout.count("of a new bus") == 3


def test_somebody_whom_the_registry_does_not_know_gets_no_role(shop: Shop) -> None:
    for holder in ("user:mallory", "group:mallory"):
        arguments = ("shop", "sender", holder, "--destination", "orders")
        assert shop.refused("bus", "roles", "add", *arguments, exit_code=2) == "CF-ADM-084"
    assert shop.refused("bus", "roles", "add", "shop", "connector", "mallory", exit_code=2) == "CF-ADM-085"


def test_a_role_of_somebody_who_has_left_can_still_be_taken(shop: Shop) -> None:
    shop("bus", "roles", "add", "shop", "connector", "user:bob")
    shop("users", "remove", "bob")
    assert shop("bus", "roles", "remove", "shop", "connector", "user:bob").exit_code == 0


def test_a_role_on_a_destination_that_is_not_there_is_refused_with_a_suggestion(shop: Shop) -> None:
    result = shop("bus", "roles", "add", "shop", "sender", "user:alice", "--destination", "order")
    assert (result.exit_code, "did you mean 'orders'?" in result.stderr) == (2, True)


def test_a_role_that_can_not_be_held_there_is_refused_by_the_bus(shop: Shop) -> None:
    result = shop("bus", "roles", "add", "shop", "creator", "user:alice", "--destination", "orders")
    assert (result.exit_code, "creator" in result.stderr) == (2, True)


def test_roles_are_listed_by_holder(shop: Shop) -> None:
    found = shop.json("bus", "roles", "list", "shop", "--holder", "user:shop-service")
    assert [(each["kind"], each["name"], each["role"]) for each in found] == [
        ("bus", None, "connector"),
        ("destination", "orders", "receiver"),
    ]


def test_whoever_leaves_loses_all_roles_in_one_change(shop: Shop) -> None:
    shop("bus", "roles", "add", "shop", "browser", "user:shop-service", "--destination", "orders")
    report = shop.json("bus", "roles", "remove-from-all", "user:shop-service")
    assert len(report["keys"]) == 3
    assert shop.json("bus", "roles", "list", "shop", "--holder", "user:shop-service") == []


def test_a_role_that_is_taken_is_gone_on_an_open_connection(shop: Shop) -> None:
    shop("bus", "roles", "add", "shop", "sender", "user:alice", "--destination", "orders")
    shop("bus", "inherit", "off", "shop", "orders")
    with shop.running() as container, container.bus_connection("shop", "alice", shop.profile.password) as bus:
        bus.send("orders", {"item": "tea"})
        result = shop("bus", "roles", "remove", "shop", "sender", "user:alice", "--destination", "orders")
        assert result.stdout.endswith(": live.\n")
        with pytest.raises(AccessDenied):
            bus.send("orders", {"item": "tea"})


def test_roles_are_the_administrators(shop: Shop) -> None:
    with shop.running("alice"):
        assert shop.refused("bus", "roles", "add", "shop", "connector", "group:buyers") == "CF-ADM-021"
        assert shop("bus", "destinations", "add", "shop", "bills").exit_code == 0
        assert shop("bus", "roles", "list", "shop").exit_code == 0


def test_inheritance_is_switched_off_and_on(shop: Shop) -> None:
    shop("bus", "inherit", "off", "shop", "orders")
    assert said(shop)["destinations"]["orders"]["inherit_defaults"] is False
    shop("bus", "inherit", "on", "shop", "orders")
    assert said(shop)["destinations"]["orders"]["inherit_defaults"] is True
    assert shop.json("bus", "inherit", "on", "shop", "orders")["changed"] is False


@pytest.mark.parametrize(
    "options",
    [("--topic", "t"), ("--default", "--destination", "orders"), ("--foreign", "f", "--temporary", "t")],
)
def test_places_that_exclude_one_another_are_a_usage_error(shop: Shop, options: tuple[str, ...]) -> None:
    assert shop.refused("bus", "roles", "list", "shop", *options, exit_code=2) == "CF-ADM-003"


# --- resources -------------------------------------------------------------------------------------------------------


def test_a_destination_is_added_with_settings_and_removed(shop: Shop) -> None:
    before = shop.text
    shop("bus", "destinations", "add", "shop", "bills.in", "max_redeliveries=7")
    assert said(shop)["destinations"]["bills.in"] == {"type": "queue", "max_redeliveries": 7}
    assert shop.json("bus", "destinations", "show", "shop", "bills.in")["max_redeliveries"] == 7
    assert shop.json("bus", "destinations", "add", "shop", "bills.in")["changed"] is False
    shop("bus", "destinations", "remove", "shop", "bills.in")
    assert shop.text.split() == before.split()


def test_a_destination_of_another_type_is_not_turned_into_the_wanted_one(shop: Shop) -> None:
    arguments = ("bus", "destinations", "add", "shop", "orders", "--type", "topic-space")
    assert shop.refused(*arguments, exit_code=2) == "CF-ADM-087"


def test_destinations_are_listed(shop: Shop) -> None:
    (row,) = shop.json("bus", "destinations", "list", "shop")
    assert (row["name"], row["type"]) == ("orders", "queue")
    assert "orders" in shop("bus", "destinations", "list", "shop").stdout


def test_a_bus_that_is_not_there_is_refused_with_those_that_are(shop: Shop) -> None:
    result = shop("bus", "destinations", "list", "shp")
    assert (result.exit_code, "there are: shop" in result.stderr) == (2, True)


def test_mediations_are_added_in_order_and_removed(shop: Shop) -> None:
    (shop.profile.folder / "modules" / "mediating.py").write_text(
        "def first(message, context):\n    return message\n\n\ndef second(message, context):\n    return message\n"
    )
    shop("bus", "mediations", "add", "shop", "orders", "mediating:first", "UK=forecast.uk")
    shop("bus", "mediations", "add", "shop", "orders", "mediating:second")
    assert shop.json("bus", "mediations", "list", "shop", "orders") == [
        {"handler": "mediating:first", "properties": {"UK": "forecast.uk"}},
        {"handler": "mediating:second"},
    ]
    shop("bus", "mediations", "remove", "shop", "orders", "mediating:first")
    assert said(shop)["destinations"]["orders"]["mediations"] == ["mediating:second"]


# --- failed messages -------------------------------------------------------------------------------------------------

FAILING = """
from connector import message_driven

@message_driven(activation="jms/orders", roles_allowed={"buyer"})
def take_order(message, context):
    if message.body["item"] == "tea":
        raise RuntimeError("no tea")
    return {"taken": message.body["item"]}
"""
MENDED = FAILING.replace("raise RuntimeError", "str")


@pytest.fixture
def failed(shop: Shop) -> Shop:
    """Three orders have failed."""
    shop.profile.handlers(FAILING)
    shop.profile.edit("max_redeliveries = 1", "max_redeliveries = 0", descriptor=True)
    return shop


def order(shop: Shop, container: Container, count: int = 3) -> list[str]:
    """Orders for tea; each has failed when its requester hears of it. Answers the ids of what is kept."""
    with container.bus_connection("shop", "alice", shop.profile.password) as bus:
        for _ in range(count):
            with pytest.raises(RequestFailed):
                bus.request("orders", {"item": "tea"}, timeout=10.0)
    return [each["message"] for each in shop.json("bus", "exceptions", "list", "shop", login="admin")["messages"]]


def test_failed_messages_are_listed_with_the_reason_and_without_what_they_say(failed: Shop) -> None:
    with failed.running("bob") as container:
        ids = order(failed, container)
        found = failed.json("bus", "exceptions", "list", "shop")["messages"]
        assert {(each["identity"], each["at"], each["attempts"]) for each in found} == {("alice@shop", "orders", 1)}
        assert "tea" not in str(found)
        assert failed("bus", "exceptions", "show", "shop", ids[0]).stdout.startswith(f"message: {ids[0]}\n")


def test_failed_messages_are_given_back_under_their_own_identity(failed: Shop) -> None:
    with failed.running() as container:
        ids = order(failed, container)
        mended = failed.profile.folder / "modules" / "mended_orders.py"
        mended.write_text(MENDED)
        failed("config", "set", "applications.shop.application.handlers", '["mended_orders"]')
        assert failed("bus", "exceptions", "replay", "shop", ids[0]).stdout == "1 replayed.\n"
        assert failed("bus", "exceptions", "replay", "shop", "--all").stdout == "2 replayed.\n"
        assert failed.json("bus", "exceptions", "list", "shop")["messages"] == []
        with container.bus_connection("shop", "bob", failed.profile.password) as bus:
            bus.request("orders", {"item": "coffee"}, timeout=10.0)  # comes after them, and waits for its own answer
    delivered = [each for each in failed.audited if each["action"] == "deliver" and each["outcome"] == "success"]
    # The first three are those that failed: they were let in as well.
    assert [each["who"] for each in delivered[3:]] == ["alice@shop"] * 3 + ["bob@shop"]


def test_what_fails_again_comes_back_and_is_not_replayed_without_end(failed: Shop) -> None:
    with failed.running() as container:
        order(failed, container)
        done = failed("bus", "exceptions", "replay", "shop", "--all")
        assert done.stdout == "3 replayed.\n", done.output


def test_what_can_not_go_back_stays_with_the_reason(failed: Shop) -> None:
    with failed.running() as container:
        ids = order(failed, container, 1)
        result = failed("bus", "exceptions", "replay", "shop", "--all", "--to", "nowhere")
        assert (result.exit_code, result.stdout) == (1, "0 replayed, 1 stayed.\n")
        assert f"{ids[0]}: CF-BUS-030" in result.stderr
        assert len(failed.json("bus", "exceptions", "list", "shop")["messages"]) == 1


def test_failed_messages_are_discarded(failed: Shop) -> None:
    with failed.running() as container:
        ids = order(failed, container)
        assert failed("bus", "exceptions", "discard", "shop", ids[1]).stdout == "1 discarded.\n"
        assert failed("bus", "exceptions", "discard", "shop", ids[1]).exit_code == 1
        assert failed("bus", "exceptions", "discard", "shop", "--all").stdout == "2 discarded.\n"
    assert failed.json("bus", "exceptions", "list", "shop")["messages"] == []


def test_all_is_said_and_not_meant_by_saying_nothing(failed: Shop) -> None:
    assert failed.refused("bus", "exceptions", "discard", "shop", exit_code=2) == "CF-ADM-003"


def test_a_configurator_looks_at_no_failed_messages(failed: Shop) -> None:
    with failed.running("alice"):
        assert failed.refused("bus", "exceptions", "list", "shop") == "CF-ADM-021"


# --- subscriptions ---------------------------------------------------------------------------------------------------


def test_subscriptions_are_listed_shown_and_deleted(shop: Shop) -> None:
    shop("bus", "destinations", "add", "shop", "news", "--type", "topic-space")
    assert shop("bus", "roles", "add", "shop", "connector", "user:alice").exit_code == 0
    with shop.running("bob") as container, container.bus_connection("shop", "alice", shop.profile.password) as bus:
        used = bus.subscribe("news", "uk/#", name="mine", durable=True)
        as_alice = ("--as", "alice", "--password-file", str(shop.password_file))
        assert shop("send", "shop", "news", "fog", "--topic", "uk", *as_alice).exit_code == 0
        (listed,) = shop.json("bus", "subscriptions", "list", "shop")["subscriptions"]
        assert {key: listed[key] for key in ("name", "topic", "owner", "consumers", "depth")} == {
            "name": "mine",
            "topic": "uk/#",
            "owner": "alice@shop",
            "consumers": 1,
            "depth": 1,
        }
        assert shop.json("bus", "subscriptions", "list", "shop", "--topic-space", "other")["subscriptions"] == []
        assert "uk/#" in shop("bus", "subscriptions", "list", "shop").stdout
        assert shop("bus", "subscriptions", "show", "shop", "mine").stdout.startswith("name: mine\n")
        in_use = shop("bus", "subscriptions", "delete", "shop", "mine")
        assert (in_use.exit_code, "CF-BUS-190" in in_use.stderr) == (1, True)
        used.close()
        deleted = shop("bus", "subscriptions", "delete", "shop", "mine")
        assert deleted.stdout == "mine is deleted, with 1 message(s).\n"
        assert shop("bus", "subscriptions", "list", "shop").stdout == "bus shop has no subscriptions.\n"
        missing = shop("bus", "subscriptions", "show", "shop", "mine")
        assert (missing.exit_code, "CF-BUS-191" in missing.stderr) == (2, True)


# --- links -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def linked(shop: Shop) -> Shop:
    """The shop with a bus of its suppliers in the same container."""
    way = '[buses.{bus}.foreign_buses.{other}]\nroles = {{ sender = ["user:alice"] }}\nlink = {{}}\n'
    more = "[buses.suppliers]\n[buses.suppliers.destinations.tea]\n"
    for bus, other in (("shop", "suppliers"), ("suppliers", "shop")):
        more += way.format(bus=bus, other=other)
    shop.profile.configuration.write_text(f"{shop.text}\n{more}")
    return shop


def test_links_are_listed_shown_stopped_and_started(linked: Shop) -> None:
    with linked.running("bob"):
        assert linked("bus", "links", "stop", "shop", "suppliers", login="admin").exit_code == 0
        (link,) = linked.json("bus", "links", "list", "shop")["links"]
        assert (link["link"], link["state"]) == ("suppliers", "stopped")
        assert "suppliers" in linked("bus", "links", "list", "shop").stdout
        assert linked("bus", "links", "start", "shop", "suppliers", login="admin").exit_code == 0
        assert linked.json("bus", "links", "show", "shop", "suppliers")["state"] == "idle"
        assert "transport: in-process" in linked("bus", "links", "show", "shop", "suppliers").stdout
        assert linked.refused("bus", "links", "show", "shop", "nobody", exit_code=2) == "CF-BUS-215"


def test_a_route_is_followed_and_the_exit_code_tells_whether_it_arrives(linked: Shop) -> None:
    with linked.running("bob"):
        found = linked("bus", "links", "route", "shop", "tea@suppliers", "--as", "alice")
        assert "It would not arrive." in found.stdout  # without an alias nobody over there knows that it is alice
        assert found.exit_code == 1
        told = json.loads(linked("--json", "bus", "links", "route", "shop", "tea@suppliers", "--as", "alice").stdout)
        assert [each["bus"] for each in told["stages"]] == ["shop", "suppliers"]
        here = linked("bus", "links", "route", "shop", "orders", "--as", "alice")
        assert (here.exit_code, "It would arrive." in here.stdout) == (0, True)
