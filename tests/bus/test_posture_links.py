"""What `check` says of the users of links: whoever shares one can be taken for the other (CONF-4, BUS-14)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import running
from support_links import britain

ALIASES = {"one": ("server", "server-pw"), "two": ("server", "server-pw"), "own": ("bob", "bob-pw")}


def to(peer: str, **link: Any) -> dict[str, Any]:
    """A way to another bus over the network, on which nothing is sent."""
    way = {"transport": "chain", "endpoints": [f"{peer}.example:7286"], "tls": "node", "enabled": False, **link}
    return {peer: {"roles": {}, "link": way}}


def broker(name: str, **link: Any) -> dict[str, Any]:
    return to(name, transport="amqp", endpoints=[f"{name}.example:5671"], **link)


def found(folder: Path, connectors: list[str], *ways: dict[str, Any]) -> list[tuple[str, str, str]]:
    foreign = {name: way for each in ways for name, way in each.items()}
    bus = britain(foreign_buses=foreign, roles={"connector": connectors})
    codes = ("CF-BUS-536", "CF-BUS-537", "CF-BUS-538")
    with running(folder, {"britain": bus}, aliases=ALIASES, tls=object()) as world:
        told = [each for each in world.adapter.findings() if each.reason.code in codes]
        assert all(each.reason.text.format(**each.details) for each in told)
    prefix = "buses.britain.foreign_buses."
    return [(each.severity, each.reason.code, each.place.removeprefix(prefix)) for each in told]


@pytest.mark.parametrize(
    ("second", "place"),
    [
        ({"alias": "one"}, "spain.link.alias"),
        ({"alias": "two"}, "spain.link.alias"),
        ({"certificate_user": "server"}, "spain.link.certificate_user"),
        ({"alias": "one", "transport": "local", "address": "spain.sock", "endpoints": None}, "spain.link.alias"),
    ],
)
def test_two_links_that_share_a_user_are_told_of(tmp_path: Path, second: dict[str, Any], place: str) -> None:
    told = found(tmp_path, ["user:alice"], to("france", alias="one"), to("spain", **second))
    assert told == [("warning", "CF-BUS-536", place)]


@pytest.mark.parametrize("second", [{"alias": "own"}, {"alias": "gone"}, {"alias": None}])
def test_links_of_different_users_are_fine(tmp_path: Path, second: dict[str, Any]) -> None:
    assert found(tmp_path, ["user:alice"], to("france", alias="one"), to("spain", **second)) == []


def test_links_within_a_container_may_share_a_user(tmp_path: Path) -> None:
    within = {"transport": "in-process", "alias": "one", "endpoints": None, "tls": None}
    assert found(tmp_path, ["user:alice"], to("france", **within), to("spain", **within)) == []


@pytest.mark.parametrize(
    ("connectors", "told"),
    [
        (["user:server"], True),
        (["group:forecasters"], True),
        (["user:alice"], False),
        (["AllAuthenticated"], False),  # of which another finding tells
    ],
)
@pytest.mark.parametrize("way", [{"alias": "one"}, {"certificate_user": "server"}])
def test_a_link_s_user_who_may_connect_as_a_client_is_told_of(
    tmp_path: Path, connectors: list[str], way: dict[str, Any], *, told: bool
) -> None:
    place = f"france.link.{'alias' if 'alias' in way else 'certificate_user'}"
    assert found(tmp_path, connectors, to("france", **way)) == ([("warning", "CF-BUS-537", place)] if told else [])


@pytest.mark.parametrize(("alias", "told"), [("one", True), ("two", False)])
def test_an_alias_that_a_broker_gets_to_know_is_told_of(tmp_path: Path, alias: str, *, told: bool) -> None:
    expected = [("warning", "CF-BUS-538", "rabbit.link.alias")] if told else []
    assert found(tmp_path, ["user:alice"], broker("rabbit", alias=alias), to("france", alias="one")) == expected


def test_two_brokers_may_share_an_alias(tmp_path: Path) -> None:
    assert found(tmp_path, ["user:alice"], broker("rabbit", alias="one"), broker("hare", alias="one")) == []
