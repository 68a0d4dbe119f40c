"""Engines of one bus sign on to each other with the inter-engine alias, and nobody else does (CHAIN-4)."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support_bus import REALM, USERS, World, running, start_world, weather_bus
from support_bus_store import StorePlace
from support_network_links import BASIC, RegistryIdentity, chain_settings
from support_wire import require_proton

from connector.errors import AccessDenied, LoginRefused
from connector.spi import IdentityAssertion, Outcome, Secret
from connector_bus.store.engine_proof import EngineProof

ENGINES = {"engines": ("server", "server-pw")}


# --- who is no client -------------------------------------------------------------------------------------------------


def test_the_engines_user_is_no_client_though_every_role_lets_it_in(tmp_path: Path) -> None:
    bus = weather_bus(inter_engine_alias="engines", roles={"connector": ["AllAuthenticated", "user:server"]})
    with running(tmp_path, {"weather": bus}, aliases=ENGINES) as world:
        world.connect("alice").close()
        with pytest.raises(AccessDenied, match="CF-BUS-455"):
            world.connect("server")
        (denied,) = [each for each in world.audit.events if each.outcome is Outcome.DENIED]
        assert (denied.action, denied.who, denied.reason) == ("bus.connect", f"server@{REALM}", "CF-BUS-455")


def test_nobody_asserts_the_engines_user(tmp_path: Path) -> None:
    bus = weather_bus(inter_engine_alias="engines", identity_assertion=["user:carol"])
    with running(tmp_path, {"weather": bus}, aliases=ENGINES) as world:
        sign_on = world.adapter._buses["weather"].sign_on
        carol = world.identity.assert_user("carol")
        with pytest.raises(AccessDenied, match="CF-BUS-455"):
            sign_on.asserted(carol, IdentityAssertion("server", REALM))


@pytest.mark.amqp
def test_the_engines_user_is_no_client_on_the_wire(tmp_path: Path) -> None:
    require_proton()
    from proton import ConnectionException
    from proton.utils import BlockingConnection

    bus = weather_bus(inter_engine_alias="engines", permitted_chains="all")
    chains, identity = chain_settings(BASIC, 0), RegistryIdentity()

    class NoTls:
        def server_context(self, name: str) -> object:
            raise AssertionError

    with running(tmp_path, {"weather": bus}, aliases=ENGINES, chains=chains, identity=identity, tls=NoTls()) as world:
        listeners = world.adapter._listeners
        assert listeners is not None
        with pytest.raises(ConnectionException, match="CF-BUS-455"):
            BlockingConnection(
                f"amqp://127.0.0.1:{listeners.ports()[BASIC]}",
                user="server",
                password=USERS["server"][0],
                allow_insecure_mechs=True,
                timeout=10,
            )


def test_a_bus_without_security_asks_nobody(tmp_path: Path) -> None:
    bus = weather_bus(inter_engine_alias="engines", security=False)
    with running(tmp_path, {"weather": bus}, aliases=ENGINES) as world:
        world.connect("server").close()


def test_whom_the_alias_names_counts_from_the_change_on(tmp_path: Path) -> None:
    with running(tmp_path, {"weather": weather_bus(inter_engine_alias="engines")}, aliases=ENGINES) as world:
        world.connect("carol").close()
        world.context.aliases["engines"] = type(world.context.aliases["engines"])("engines", "carol", Secret("x"))
        world.adapter.users_changed()
        with pytest.raises(AccessDenied, match="CF-BUS-455"):
            world.connect("carol")


# --- what check says --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("connectors", "found"),
    [(["user:server"], "user:server"), (["group:forecasters"], "group:forecasters"), (["user:alice"], None)],
)
def test_check_tells_that_the_engines_user_is_in_the_connector_role(
    tmp_path: Path, connectors: list[str], found: str | None
) -> None:
    bus = weather_bus(inter_engine_alias="engines", roles={"connector": connectors})
    with running(tmp_path, {"weather": bus}, aliases=ENGINES) as world:
        told = [each for each in world.adapter.findings() if each.reason.code == "CF-BUS-458"]
        assert [each.details["holder"] for each in told] == ([] if found is None else [found])
        assert ("server", "signs engines of a bus on") in [(each.user, each.kind) for each in world.adapter.duties()]


# --- proofs -----------------------------------------------------------------------------------------------------------


def test_a_proof_convinces_whoever_has_the_same_user_and_password_and_nobody_else() -> None:
    ours, same = EngineProof("server", Secret("pw")), EngineProof("server", Secret("pw"))
    proof = ours.make()
    assert proof is not None
    assert same.accepts(proof)
    assert proof != same.make()
    for other in (EngineProof("server", Secret("no")), EngineProof("serve", Secret("rpw")), EngineProof()):
        assert not other.accepts(proof)
    assert not ours.accepts(None)
    assert not ours.accepts(proof[:-1])
    assert not ours.accepts(b"")
    assert EngineProof().accepts(None)
    assert "pw" not in repr(ours)


# --- engines on one store ---------------------------------------------------------------------------------------------


def engine(folder: Path, place: StorePlace, name: str, alias: tuple[str, str] | None) -> World:
    own = {} if alias is None else {"inter_engine_alias": "engines"}
    aliases = {} if alias is None else {"engines": alias}
    bus = weather_bus(**place.settings, **own)
    return start_world(folder, {"weather": bus}, threaded=True, container=name, aliases=aliases)


@pytest.mark.postgresql
def test_engines_with_the_same_alias_share_the_store(tmp_path: Path, shared_place: StorePlace) -> None:
    with ExitStack() as running_now:
        one, two = (engine(tmp_path, shared_place, name, ENGINES["engines"]) for name in ("one", "two"))
        for world in (one, two):
            running_now.callback(world.stop)
        one.connect("alice").send("uk", "x")
        message = two.connect("bob").receive("uk", timeout=30)
        assert message is not None
        assert message.body == "x"
        assert engine_store(one).look()
        assert engine_store(two).look()


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ENGINES["engines"], None),
        (None, ENGINES["engines"]),
        (ENGINES["engines"], ("bob", "bob-pw")),
    ],
)
def test_an_engine_without_the_alias_or_with_another_one_is_refused(
    tmp_path: Path, shared_place: StorePlace, first: tuple[str, str] | None, second: tuple[str, str] | None
) -> None:
    one = engine(tmp_path, shared_place, "one", first)
    try:
        with pytest.raises(LoginRefused, match=r"CF-BUS-453.*one.*inter_engine_alias"):
            engine(tmp_path, shared_place, "two", second)
        one.connect("alice").send("uk", "x")
    finally:
        one.stop()
    engine(tmp_path, shared_place, "two", second).stop()  # with all others ended, the alias is changed


@pytest.mark.postgresql
@pytest.mark.parametrize("alias", [("server", "guessed"), ("nobody", "x")])
def test_an_alias_that_the_registry_refuses_starts_no_engine_and_its_password_is_not_told(
    tmp_path: Path, shared_place: StorePlace, alias: tuple[str, str]
) -> None:
    with pytest.raises(LoginRefused, match="CF-BUS-454") as caught:
        engine(tmp_path, shared_place, "one", alias)
    assert "guessed" not in str(caught.value)


@pytest.mark.postgresql
def test_an_engine_that_has_crept_in_is_fenced(tmp_path: Path, shared_place: StorePlace) -> None:
    one = engine(tmp_path, shared_place, "one", ENGINES["engines"])
    two = engine(tmp_path, shared_place, "two", ENGINES["engines"])
    try:
        shared_place.run_sql("UPDATE engines SET proof = NULL WHERE name = 'two'")
        assert engine_store(one).look()
        assert shared_place.run_sql("SELECT name FROM engines") == [("one",)]
        assert not engine_store(two).look()
    finally:
        two.stop()
        one.stop()


@pytest.mark.postgresql
def test_check_tells_of_a_shared_store_without_the_alias(tmp_path: Path, shared_place: StorePlace) -> None:
    world = engine(tmp_path, shared_place, "one", None)
    try:
        assert "CF-BUS-459" in {each.reason.code for each in world.adapter.findings()}
    finally:
        world.stop()


def engine_store(world: World) -> Any:
    return world.adapter._buses["weather"].engine.store
