"""`connector bus explain`, `diff`, `show`, unique names, and who may make an alias (BUS-12, BUS-13, BUS-16)."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from support_shop_commands import Shop


def explained(shop: Shop, *arguments: str) -> tuple[int, dict[str, Any]]:
    import json

    result = shop("--json", "bus", "explain", "shop", *arguments)
    return result.exit_code, json.loads(result.stdout)


def test_it_says_who_may_send_and_by_which_assignment(shop: Shop) -> None:
    code, found = explained(shop, "sender", "--as", "alice", "--destination", "orders")
    assert (code, found["answer"], found["in_force"]) == (0, "allowed", True)
    assert (
        "AllAuthenticated"
        in shop("bus", "explain", "shop", "sender", "--as", "alice", "--destination", "orders").stdout
    )


def test_a_refusal_says_what_would_have_to_be_granted(shop: Shop) -> None:
    code, found = explained(shop, "receiver", "--as", "alice", "--destination", "_SYSTEM.Exception.Destination.shop")
    assert (code, found["answer"].partition(":")[0]) == (1, "denied")
    assert "grant receiver on _SYSTEM.Exception.Destination.shop to user:alice" in str(found["steps"])


def test_a_change_is_tried_out_and_nothing_is_changed(shop: Shop) -> None:
    before = shop.text
    found = shop.json("bus", "diff", "shop", "--revoke", "user:admin", "--role", "connector")
    (difference,) = found["differences"]
    assert (difference["role"], difference["gains"], difference["loses"]) == ("connector", [], ["user:admin"])
    assert "user:admin" in shop("bus", "diff", "shop", "--revoke", "user:admin", "--role", "connector").stdout
    assert shop.text == before


def test_a_whole_proposed_configuration_is_compared(shop: Shop) -> None:
    proposed = shop.profile.folder / "proposed.toml"
    proposed.write_text(shop.text.replace("[admin]", "[admin]"))
    assert shop.json("bus", "diff", "shop", "--proposed", str(proposed))["differences"] == []
    proposed.write_text("[container]\n")
    assert shop.refused("bus", "diff", "shop", "--proposed", str(proposed), exit_code=2) == "CF-ADM-150"


def test_a_change_without_a_role_is_a_usage_mistake(shop: Shop) -> None:
    assert shop("bus", "diff", "shop", "--grant", "user:bob").exit_code == 2


def test_what_is_on_a_bus_is_shown(shop: Shop) -> None:
    assert "orders" in str(shop.json("bus", "show", "shop"))


def test_a_monitor_may_ask_on_a_running_container(shop: Shop) -> None:
    with shop.running("carol"):
        assert explained(shop, "sender", "--as", "alice", "--destination", "orders")[0] == 0
        assert "differences" in shop.json("bus", "diff", "shop", "--grant", "user:bob", "--role", "connector")


def test_unique_names_are_written_down_and_a_successor_of_the_name_has_no_role(shop: Shop) -> None:
    assert shop("bus", "roles", "populate-unique-names", "shop").exit_code == 0
    names = tomllib.loads(shop.text)["buses"]["shop"]["unique_names"]
    assert names["user:admin"] == "admin"
    assert shop("check").exit_code in (0, 1)
    assert explained(shop, "connector", "--as", "admin")[0] == 0
    successor = shop.text.replace('"user:admin" = "admin"', '"user:admin" = "another admin"')
    shop.profile.configuration.write_text(successor)
    assert explained(shop, "connector", "--as", "admin")[0] == 1


@pytest.mark.parametrize(
    "command",
    [
        ("bus", "destinations", "add", "shop", "nickname", "target=orders", "--type", "alias"),
        ("config", "set", "buses.shop.destinations.nickname", '{ type = "alias", target = "orders" }'),
    ],
)
def test_only_an_administrator_makes_an_alias(shop: Shop, command: tuple[str, ...]) -> None:
    with shop.running("alice"):
        assert shop.refused(*command) == "CF-ADM-021"
        assert shop(*command, login="admin").exit_code == 0


def test_whoever_leaves_asserts_nobody_any_more(shop: Shop) -> None:
    shop("bus", "roles", "populate-unique-names", "shop")
    assert shop("bus", "roles", "remove-from-all", "user:shop-applications").exit_code == 0
    bus = tomllib.loads(shop.text)["buses"]["shop"]
    assert bus["identity_assertion"] == []
    assert "user:shop-applications" not in bus["unique_names"]
    assert "user:shop-applications" not in bus["roles"]["connector"]
    assert "user:admin" in bus["unique_names"]


def test_unique_names_are_read_anew_by_force(shop: Shop) -> None:
    shop("bus", "roles", "populate-unique-names", "shop")
    shop.profile.configuration.write_text(shop.text.replace('"user:admin" = "admin"', '"user:admin" = "an old one"'))
    shop("bus", "roles", "populate-unique-names", "shop")
    assert tomllib.loads(shop.text)["buses"]["shop"]["unique_names"]["user:admin"] == "an old one"
    shop("bus", "roles", "populate-unique-names", "shop", "--force")
    assert tomllib.loads(shop.text)["buses"]["shop"]["unique_names"]["user:admin"] == "admin"


def test_each_change_of_a_bus_is_audited_with_who_what_and_the_roles_considered(shop: Shop) -> None:
    with shop.running():
        shop("bus", "roles", "add", "shop", "sender", "group:buyers", "--destination", "orders")
        shop("bus", "roles", "add", "shop", "sender", "group:buyers", "--destination", "orders", login="carol")
    made, refused = [event for event in shop.audited if event["action"] == "admin.bus.roles.add"]
    assert (made["who"], made["outcome"]) == ("admin@shop", "success")
    assert "administrator" in made["details"]["roles"]
    assert any("group:buyers" in line for line in made["details"]["changed"])
    assert (refused["who"], refused["outcome"], refused["reason"]) == ("carol@shop", "denied", "CF-ADM-021")


def test_the_unique_names_of_asserters_are_written_down_as_well(shop: Shop) -> None:
    shop("bus", "roles", "remove", "shop", "connector", "user:shop-applications")
    assert shop("bus", "roles", "populate-unique-names", "shop").exit_code == 0
    names = tomllib.loads(shop.text)["buses"]["shop"]["unique_names"]
    assert names["user:shop-applications"] == "shop-applications"
