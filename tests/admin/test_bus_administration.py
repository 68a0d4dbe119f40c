"""`BusAdministration`: every command of `connector bus` as a method, by the same operations, audited (BUS-12)."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator
from typing import Any, get_type_hints, is_typeddict

import click
import pytest
from support_shop_commands import Shop

from connector import BusAdministration, Container
from connector.admin.access import Access
from connector.admin.buses import answers
from connector.admin.commands.bus import bus as bus_command
from connector.admin.operations import OPERATIONS
from connector.errors import AccessDenied, AuthenticationFailed, ConfigError, ConnectorError, NameNotFound

#: Arguments of commands that have another name, or none, from Python.
RENAMED = {"--as": "user", "--forward": "forward_path", "--reverse": "reverse_path"}


@pytest.fixture
def container(shop: Shop) -> Iterator[Container]:
    with Container.open(shop.profile.configuration) as opened:
        yield opened


@pytest.fixture
def administration(container: Container) -> BusAdministration:
    return BusAdministration(container, "shop")


def leaves(command: click.Command, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands below one, with the words that they are called by."""
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from leaves(found, *words, name)
    else:
        yield words, command


LEAVES = dict(leaves(bus_command))


def options(command: click.Command) -> set[str]:
    return {each.opts[0] for each in command.params if isinstance(each, click.Option) and not each.hidden}


#: What all commands have, and how all messages are meant on a command line.
OF_THE_COMMAND_LINE = set.intersection(*map(options, LEAVES.values())) | {"--all", "--bus"}


def methods(administration: BusAdministration, words: tuple[str, ...]) -> list[Any]:
    """The methods that a command has: one, but for a command with a switch."""
    found: Any = administration
    for word in words:
        found = getattr(found, word.replace("-", "_"))
    switch = [each for each in LEAVES[words].params if each.name == "switch"]
    if not switch:
        return [found]
    assert isinstance(switch[0].type, click.Choice)
    return [getattr(found, str(choice)) for choice in switch[0].type.choices]


@pytest.mark.parametrize("words", list(LEAVES), ids=" ".join)
def test_every_command_has_its_method_with_its_options(
    administration: BusAdministration, words: tuple[str, ...]
) -> None:
    for method in methods(administration, words):
        taken = set(inspect.signature(method).parameters)
        for option in options(LEAVES[words]) - OF_THE_COMMAND_LINE:
            name = RENAMED.get(option, option.removeprefix("--").replace("-", "_"))
            assert {name, f"{name}s"} & taken, f"{words}: {option}"
        assert inspect.getdoc(method)


def test_every_operation_on_a_bus_is_reached(shop: Shop) -> None:
    """Each method asks for one operation, and together they ask for all that administration has."""
    with Container.open(shop.profile.configuration) as container:
        administration = BusAdministration(container, "shop")
        for words in LEAVES:
            for method in methods(administration, words):
                required = [
                    name
                    for name, each in inspect.signature(method).parameters.items()
                    if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
                ]
                with contextlib.suppress(ConnectorError):  # refused for what is not there, and never a wrong call
                    method(*(f"no-{name}" for name in required))
    asked = {each["action"].removeprefix("admin.") for each in shop.audited if each["action"].startswith("admin.")}
    wanted = {name for name, each in OPERATIONS.items() if name.startswith("bus.") and each.access is not Access.BUS}
    assert asked == wanted


def test_a_role_is_given_listed_and_taken(administration: BusAdministration, shop: Shop) -> None:
    done = administration.roles.add("sender", "user:carol", destination="orders")
    assert (done["effect"], done["changed"], done["running"]) == ("live", True, True)
    (held,) = administration.roles.list(holder="user:carol")
    assert (held["name"], held["role"], held["written"]) == ("orders", "sender", True)
    assert shop.json("bus", "roles", "list", "shop", "--holder", "user:carol") == [held]
    administration.roles.remove_from_all("user:carol")
    assert list(administration.roles.list(holder="user:carol")) == []


def test_what_is_configured_counts_at_once(administration: BusAdministration, container: Container, shop: Shop) -> None:
    administration.destinations.add("bills", {"max_redeliveries": 3, "roles.sender": ["user:alice"]})
    administration.inherit.off("bills")
    assert administration.destinations.show("bills")["max_redeliveries"] == 3
    assert administration.explain("sender", user="alice", destination="bills")["answer"] == "allowed"
    assert administration.explain("sender", user="bob", destination="bills")["answer"].startswith("denied")
    with container.bus_connection("shop", "bob", shop.profile.password) as connection, pytest.raises(AccessDenied):
        connection.send("bills", 1)


def test_settings_keep_their_types(administration: BusAdministration) -> None:
    """A text that reads like a number stays one: it is no KEY=VALUE of a command line."""
    administration.destinations.add("abroad", {"type": "alias", "target": "orders"}, type="alias")
    assert administration.destinations.show("abroad")["target"] == "orders"
    with pytest.raises(ConfigError, match="max_redeliveries"):
        administration.destinations.add("x", {"max_redeliveries": "3"})


def test_a_mistake_is_told_as_by_the_command(administration: BusAdministration, shop: Shop) -> None:
    before = shop.text
    with pytest.raises(NameNotFound) as unknown:
        administration.roles.add("sender", "user:mallory", destination="orders")
    with pytest.raises(ValueError, match="give one of"):
        administration.roles.add("sender", "user:alice", destination="orders", default=True)
    assert unknown.value.code == "CF-ADM-084"
    assert shop.text == before


def test_the_audit_log_says_who(administration: BusAdministration, container: Container, shop: Shop) -> None:
    administration.roles.add("sender", "user:carol", destination="orders")
    with container.login("admin", shop.profile.password):
        administration.roles.remove("sender", "user:carol", destination="orders")
    first, second = [each for each in shop.audited if each["action"].startswith("admin.bus.roles")]
    assert (first["who"].startswith("uid "), second["who"]) == (True, "admin@shop")
    assert "administrator" in second["details"]["roles"]
    assert "destinations.orders.roles.sender" in str(second["details"]["changed"])
    assert second["details"]["holder"] == "user:carol"


@pytest.mark.parametrize(
    ("user", "role"), [("bob", None), ("carol", None), ("alice", None), ("admin", "administrator")]
)
def test_whoever_acts_for_others_asks_for_their_admin_roles(
    container: Container, shop: Shop, user: str, role: str | None
) -> None:
    asking = BusAdministration(container, "shop", ask_roles=True)
    with pytest.raises(AuthenticationFailed):
        asking.roles.add("sender", "user:carol", destination="orders")
    with container.login(user, shop.profile.password):
        assert asking.roles.list()  # a monitor may
        if role is None:
            with pytest.raises(AccessDenied) as refused:
                asking.roles.add("sender", "user:carol", destination="orders")
            assert refused.value.code == "CF-ADM-021"
        else:
            assert asking.roles.add("sender", "user:carol", destination="orders")["changed"]


def test_messages_that_failed_are_worked_off_with_progress(
    administration: BusAdministration, container: Container, shop: Shop
) -> None:
    administration.destinations.add("bills")
    with container.bus_connection("shop", "alice", shop.profile.password) as connection:
        for number in range(250):
            connection.send("bills", number)
    told = []
    first = administration.exceptions.list(destination="bills")[0]["message"]
    assert administration.exceptions.discard(first, destination="bills").done == 1
    done = administration.exceptions.discard(destination="bills", progress=lambda so_far: told.append(so_far))
    assert [(each.done, each.left) for each in told] == [(100, 149), (200, 49), (249, 0)]
    assert (done.done, done.failed, done.left) == (249, (), 0)
    assert administration.exceptions.discard(first, destination="bills").missing == 1


def test_answers_are_what_their_types_say(administration: BusAdministration, container: Container, shop: Shop) -> None:
    administration.destinations.add("news", type="topic-space")
    administration.foreign.add("nowhere", {"roles.sender": ["user:alice"]})
    with container.bus_connection("shop", "alice", shop.profile.password) as connection:
        connection.send("news", 1)
    given: list[tuple[Any, str]] = [
        (administration.list()[0], "BusAnswer"),
        (administration.chains.list(), "ChainsAnswer"),
        (administration.show(), "ShownBusAnswer"),
        (administration.show()["destinations"][0], "DestinationAnswer"),
        (administration.roles.list()[0], "RoleAnswer"),
        (administration.inherit.show("orders"), "InheritanceAnswer"),
        (administration.inherit.on("orders"), "EditAnswer"),
        (administration.diff(grant=["user:carol"], role="sender", destination="orders"), "DiffAnswer"),
        (administration.links.route("orders", user="alice"), "RouteAnswer"),
        (administration.links.route("orders", user="alice")["stages"][0], "StageAnswer"),
        (administration.explain("sender", user="alice", foreign_bus="nowhere", destination="x"), "ExplanationAnswer"),
    ]
    for answer, name in given:
        assert set(answer) == set(get_type_hints(getattr(answers, name))), name
        assert json.loads(json.dumps(answer)) == answer
    assert all(is_typeddict(each) for name, each in vars(answers).items() if name.endswith("Answer"))
