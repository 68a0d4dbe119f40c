"""Servers that send clients to an engine: by which policy, to which chain, never out of TLS (CHAIN-1, CHAIN-8)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_tls import profile_keys
from support_wire import Wire, receive, require_proton, wire

from connector.errors import ConfigError
from connector_bus.chains.bootstrap import Bootstrap, BootstrapPolicy, places_for
from connector_bus.chains.place import Place, parse_place

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException, Message  # noqa: E402

MEMBERS = 'members = ["amqps://one.example:7286/Secure", "amqp://two.example:7276/Basic"]'
ELSEWHERE = f"engine = false\n{MEMBERS}\n"


def sent_to(running: Wire, user: str = "alice", *, target: str | None = None, **options: Any) -> str:
    """Where a client is sent, as the text of the redirect says."""
    if target is not None:
        options["properties"] = {"connector:target-chain": target}
    with pytest.raises(ConnectionException) as sent:
        running.connect(user, **options)
    return str(sent.value)


def test_a_server_without_an_engine_sends_clients_to_one_each_to_the_next(tmp_path: Path) -> None:
    with wire(tmp_path, bus=ELSEWHERE) as running:
        told = [sent_to(running) for _ in range(4)]
    for place in ("amqps://one.example:7286", "amqp://two.example:7276"):
        assert len([text for text in told if place in text]) == 2
    assert all("amqp:connection:redirect" in text for text in told)


def test_a_server_without_an_engine_refuses_those_who_may_not_connect(tmp_path: Path) -> None:
    with wire(tmp_path, bus=ELSEWHERE) as running:
        assert "CF-BUS-012" in sent_to(running, "mallory")


def test_a_server_without_an_engine_heeds_the_chains_that_the_bus_permits(tmp_path: Path) -> None:
    with wire(tmp_path, bus=ELSEWHERE, permitted='"tls-only"') as running:
        assert "CF-BUS-160" in sent_to(running)


def test_the_target_chain_chooses_among_the_members(tmp_path: Path) -> None:
    with wire(tmp_path, bus=ELSEWHERE) as running:
        assert all("one.example" in sent_to(running, target="Secure") for _ in range(3))
        assert "CF-BUS-463" in sent_to(running, target="Tertiary")


@pytest.mark.parametrize(
    ("policy", "nominated", "outcome"),
    [
        ("any", "", "redirect"),
        ("members-and-nominated", "boot", "redirect"),
        ("members-and-nominated", "other", "CF-BUS-462"),
        ("members-only", "boot", "CF-BUS-462"),
    ],
)
def test_the_policy_says_which_servers_direct(tmp_path: Path, policy: str, nominated: str, outcome: str) -> None:
    bus = f'{ELSEWHERE}bootstrap = "{policy}"\nnominated = ["{nominated}"]\n'
    with wire(tmp_path, bus=bus, name="boot") as running:
        assert outcome in sent_to(running)


def test_a_member_serves_whatever_the_policy_and_whoever_wants_the_chain_that_it_is_on(tmp_path: Path) -> None:
    with wire(tmp_path, bus='bootstrap = "members-only"\n') as running:
        client = running.connect("alice", properties={"connector:target-chain": "InboundBasicMessaging"})
        client.create_sender("requests").send(Message(body="here"))
        assert receive(running.connect("bob"), "requests").body == "here"


def test_a_member_sends_whoever_wants_another_of_its_chains_there(tmp_path: Path) -> None:
    profile_keys(tmp_path, "node")
    extra = '[tls.node]\nkey_store = "node.pem"\n[chains.Secure]\nport = 0\ntls = "node"\npublic_host = "bus.example"\n'
    with wire(tmp_path, extra=extra, bus=MEMBERS) as running:
        told = sent_to(running, target="Secure")
        assert f"amqps://bus.example:{running.port('Secure')}" in told
        assert "two.example" in sent_to(running, target="Basic")


def test_what_waits_elsewhere_changes_with_the_roles(tmp_path: Path) -> None:
    with wire(tmp_path, bus=ELSEWHERE) as running:
        assert "CF-BUS-012" in sent_to(running, "mallory")
        path = tmp_path / "connector.toml"
        path.write_text(path.read_text().replace('"user:carol"]', '"user:mallory"]', 1))
        running.container.configuration.reload()
        assert "redirect" in sent_to(running, "mallory")
        assert "CF-BUS-012" in sent_to(running, "carol")


@pytest.mark.parametrize(
    ("bus", "code"),
    [("engine = false\n", "CF-BUS-461"), ('members = ["amqp://one:1/a/b"]\n', "CF-BUS-460")],
)
def test_members_that_are_missing_or_none_stop_the_start(tmp_path: Path, bus: str, code: str) -> None:
    with pytest.raises(ConfigError, match=code), wire(tmp_path, bus=bus):
        pass


CHAINS = st.sampled_from(["Basic", "Secure", "Tunnel"])
PLACES = st.builds(Place, st.sampled_from(["amqp", "amqps"]), st.just("one"), st.integers(1, 5), st.none() | CHAINS)


@given(
    own=st.lists(PLACES, max_size=3),
    members=st.lists(PLACES, max_size=5),
    target=st.none() | CHAINS,
    permitted=st.sampled_from(["all", "tls-only"]) | st.lists(CHAINS).map(tuple),
    secure=st.booleans(),
)
def test_nobody_is_sent_out_of_tls_to_another_chain_than_wanted_or_to_one_that_is_not_permitted(
    own: list[Place], members: list[Place], target: str | None, permitted: str | tuple[str, ...], secure: bool
) -> None:
    found = places_for(own, members, target=target, permitted=permitted, secure=secure)
    for place in found:
        assert place.is_secure or not secure
        assert place.is_secure or permitted != "tls-only"
        assert target is None or place.chain in (target, None)
        assert isinstance(permitted, str) or place.chain in permitted
    assert not (set(found) & set(own)) or set(found) <= set(own), "a chain of its own goes before all members"


@given(st.sampled_from(BootstrapPolicy), st.booleans(), st.frozensets(st.sampled_from(["a", "b"])))
def test_a_stricter_policy_lets_no_further_server_direct(
    policy: BootstrapPolicy, engine: bool, nominated: frozenset[str]
) -> None:
    order = [BootstrapPolicy.MEMBERS_ONLY, BootstrapPolicy.MEMBERS_AND_NOMINATED, BootstrapPolicy.ANY]
    may = [Bootstrap(engine, each, nominated).may_direct("a") for each in order]
    assert may == sorted(may)
    assert may[0] is engine
    assert may[-1]
    assert Bootstrap(engine, policy, nominated).may_direct("a") is may[order.index(policy)]


@pytest.mark.parametrize(
    "text", ["one:1", "amqp://one", "amqp://one:1/", "amqp://one:1/C?x", "amqp://u@one:1/C", "amqp://one:0"]
)
def test_what_is_no_place_is_none(text: str) -> None:
    assert parse_place(text, with_chain=True) is None
    assert parse_place("amqps://[::1]:5671/C", with_chain=True) == Place("amqps", "::1", 5671, "C")
    assert str(parse_place("amqps://[::1]:5671")) == "amqps://[::1]:5671"
