"""`connector bus list|add|remove|chains`, kept roles, `roles clear`, `inherit show`: what was missing (BUS-12)."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from support_shop_commands import Shop

CHAINS = """
[chains.plain]
port = 0
enabled = false
[chains.safe]
port = 0
enabled = false
tls = "node"
"""


def said(shop: Shop) -> Any:
    """The buses, as they stand in the file."""
    return tomllib.loads(shop.text)["buses"]


def test_a_bus_is_added_and_listed_and_removed(shop: Shop) -> None:
    before = shop.text
    assert shop("bus", "add", "depot").exit_code == 0
    assert [(each["name"], each["security"]) for each in shop.json("bus", "list")] == [("depot", True), ("shop", True)]
    assert shop.json("bus", "add", "depot")["changed"] is False
    assert "depot" in shop("bus", "list").stdout
    assert shop("bus", "remove", "depot").exit_code == 0
    assert said(shop) == tomllib.loads(before)["buses"]


def test_a_bus_is_added_with_settings(shop: Shop) -> None:
    shop("bus", "add", "depot", "security=false", 'roles.connector=["user:alice"]')
    assert said(shop)["depot"] == {"security": False, "roles": {"connector": ["user:alice"]}}


def test_a_new_bus_is_live_and_lets_nobody_in(shop: Shop) -> None:
    with shop.running() as container:
        assert shop.json("bus", "add", "depot")["effect"] == "live"
        answer = container.bus_command("depot", "explain", {"bus": "depot", "role": "connector", "user": "alice"})
        assert answer["answer"] != "allowed"


def test_a_bus_that_a_resource_needs_is_not_removed(shop: Shop) -> None:
    before = shop.text
    for command in (("bus", "remove", "shop"), ("config", "unset", "buses.shop")):
        assert shop.refused(*command, exit_code=2) == "CF-BUS-016"
    assert shop("bus", "remove", "depot").exit_code == 2
    assert shop.text == before


def test_a_configurator_adds_a_bus_and_not_an_open_one(shop: Shop) -> None:
    with shop.running("alice"):
        assert shop("bus", "add", "depot").exit_code == 0
        assert shop.refused("bus", "add", "yard", "security=false") == "CF-ADM-021"


@pytest.fixture
def chained(shop: Shop) -> Shop:
    shop.profile.configuration.write_text(shop.text + CHAINS.replace('tls = "node"\n', ""))
    return shop


def test_a_chain_is_permitted_and_forbidden(chained: Shop) -> None:
    assert [each["permitted"] for each in chained.json("bus", "chains", "list", "shop")["chains"]] == [False, False]
    assert chained("bus", "chains", "permit", "shop", "plain").exit_code == 0
    assert said(chained)["shop"]["permitted_chains"] == ["plain"]
    assert [each["permitted"] for each in chained.json("bus", "chains", "list", "shop")["chains"]] == [True, False]
    assert "plain" in chained("bus", "chains", "list", "shop").stdout
    assert chained.json("bus", "chains", "permit", "shop", "plain")["changed"] is False
    assert chained("bus", "chains", "forbid", "shop", "plain").exit_code == 0
    assert said(chained)["shop"]["permitted_chains"] == []
    assert chained.json("bus", "chains", "forbid", "shop", "plain")["changed"] is False


def test_a_chain_that_is_not_there_is_not_permitted(chained: Shop) -> None:
    assert chained.refused("bus", "chains", "permit", "shop", "plane", exit_code=2) == "CF-ADM-088"


def test_one_chain_is_not_taken_out_of_all(chained: Shop) -> None:
    chained("config", "set", "buses.shop.permitted_chains", "all")
    assert chained.refused("bus", "chains", "forbid", "shop", "plain", exit_code=2) == "CF-ADM-089"
    assert chained.json("bus", "chains", "permit", "shop", "safe")["changed"] is False
    chained("config", "set", "buses.shop.permitted_chains", "tls-only")
    assert chained.json("bus", "chains", "forbid", "shop", "plain")["changed"] is False


def test_chains_are_the_administrators(chained: Shop) -> None:
    with chained.running("alice"):
        assert chained.refused("bus", "chains", "permit", "shop", "plain") == "CF-ADM-021"


def test_roles_wait_for_a_destination_that_is_not_there(shop: Shop) -> None:
    assert shop("bus", "roles", "add", "shop", "sender", "user:bob", "--kept", "payroll").exit_code == 0
    assert shop("bus", "inherit", "off", "shop", "payroll", "--kept").exit_code == 0
    assert said(shop)["shop"]["kept_roles"]["payroll"] == {"roles": {"sender": ["user:bob"]}, "inherit_defaults": False}
    assert shop.json("bus", "inherit", "show", "shop", "payroll", "--kept")["inherits"] is False
    shop("bus", "destinations", "add", "shop", "payroll")
    asked = ("bus", "explain", "shop", "sender", "--destination", "payroll", "--as")
    assert [shop(*asked, user).exit_code for user in ("bob", "alice")] == [0, 1]
    (held,) = shop.json("bus", "roles", "list", "shop", "--kept", "payroll")
    assert (held["kind"], held["holder"]) == ("kept roles", "user:bob")


def test_all_roles_of_a_place_are_taken_in_one_change(shop: Shop) -> None:
    shop("bus", "destinations", "add", "shop", "news", "--type", "topic-space")
    shop("bus", "roles", "add", "shop", "receiver", "user:bob", "--destination", "news")
    shop("bus", "roles", "add", "shop", "sender", "user:bob", "--destination", "news", "--topic", "sports")
    assert shop("bus", "roles", "clear", "shop", "--destination", "news").exit_code == 0
    assert shop.json("bus", "roles", "list", "shop", "--holder", "user:bob") == []
    assert shop.json("bus", "roles", "clear", "shop", "--destination", "news")["changed"] is False


def test_the_default_roles_are_cleared_also_where_nobody_has_written_them(shop: Shop) -> None:
    assert shop("bus", "roles", "clear", "shop", "--default").exit_code == 0
    assert said(shop)["shop"]["default_roles"] == {"sender": [], "receiver": [], "browser": [], "creator": []}


def test_inheritance_is_shown_for_a_destination_and_a_topic(shop: Shop) -> None:
    shop("bus", "destinations", "add", "shop", "news", "--type", "topic-space")
    assert shop("bus", "inherit", "off", "shop", "news", "--topic", "sports", "--role", "sender").exit_code == 0
    assert said(shop)["shop"]["destinations"]["news"]["topics"]["sports"] == {"inherit_sender": False}
    asked = ("bus", "inherit", "show", "shop", "news")
    of_topic = [shop.json(*asked, "--topic", "sports", "--role", role)["inherits"] for role in ("sender", "receiver")]
    assert (shop.json(*asked)["inherits"], of_topic) == (True, [False, True])
    assert shop(*asked).stdout == "news inherits.\n"
    assert shop(*asked, "--kept", "--temporary").exit_code == 2


def test_a_blocker_at_a_topic_is_in_force_at_once(shop: Shop) -> None:
    shop("bus", "destinations", "add", "shop", "news", "--type", "topic-space")
    with shop.running():
        asked = ("bus", "explain", "shop", "sender", "--destination", "news", "--topic", "sports/a", "--as", "alice")
        assert shop(*asked).exit_code == 0
        report = shop.json("bus", "inherit", "off", "shop", "news", "--topic", "sports", "--role", "sender")
        assert report["effect"] == "live"
        assert shop(*asked).exit_code == 1


def test_whoever_holds_a_role_by_unique_name_loses_it_with_all_others(shop: Shop) -> None:
    shop("config", "set", "buses.shop.destinations.orders.roles.sender", '[{ user = "bob", unique_name = "bob" }]')
    assert shop.json("bus", "roles", "list", "shop", "--holder", "user:bob")[0]["role"] == "sender"
    place = ("shop", "sender", "user:bob", "--destination", "orders")
    assert shop.json("bus", "roles", "add", *place)["changed"] is False
    assert shop("bus", "roles", "remove-from-all", "user:bob").exit_code == 0
    assert said(shop)["shop"]["destinations"]["orders"]["roles"]["sender"] == []


@pytest.mark.parametrize(("fail_on", "exit_code"), [("error", 0), ("warning", 1), ("note", 1), ("never", 0)])
def test_a_pipeline_says_which_findings_make_check_fail(shop: Shop, fail_on: str, exit_code: int) -> None:
    shop("bus", "roles", "add", "shop", "connector", "AllAuthenticated")
    found = shop("--json", "check", "--fail-on", fail_on)
    assert (found.exit_code, "CF-BUS-135" in found.stdout) == (exit_code, True)
