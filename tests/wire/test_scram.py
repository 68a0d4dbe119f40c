"""Signing on by SCRAM-SHA-256: the password itself never goes over the wire (CHAIN-5)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_amqp import client
from support_wire import CONFIGURATION, RESOURCE, USERS, Wire, require_proton

from connector import Container, Secret
from connector.errors import ConfigError, ConnectorError, LoginRefused, Reason, RegistryUnavailable
from connector.security.file_registry import FileUserRegistry
from connector.security.passwords import ScryptCost, ScryptPasswords
from connector.security.scram import fitting_nothing, read_scram_verifier, scram_verifier_of
from connector.spi.scram import ScramClient
from connector_amqp.sasl_frames import init_frame, response_frame
from connector_bus.chains.sasl import SCRAM, SaslServer, SaslState
from connector_bus.chains.sasl_frames import SASL_HEADER, SaslOutcome
from connector_bus.chains.scram import ScramServer, ScramUnfit
from connector_sqlregistry import SqlRegistryProvider

pytestmark = pytest.mark.amqp

AWAY = Reason("CF-TEST-530", "the users are out of reach.", "Mend the test.")
CHEAP = ScryptCost(2, 8, 1)


def registry(folder: Path, *, scram: bool = True) -> FileUserRegistry:
    return FileUserRegistry("weather", folder / "users.toml", CHEAP, scram=scram)


def fill(folder: Path, users: tuple[str, ...] = USERS) -> None:
    made = registry(folder)
    for user in users:
        made.add_user(user, Secret(user))


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Wire]:
    """A bus whose users all have a verifier."""
    require_proton()
    folder = tmp_path / "bus"
    folder.mkdir()
    fill(folder)
    with running(folder) as made:
        yield made


def running(folder: Path) -> Any:
    text = CONFIGURATION.replace("PERMITTED", '"all"').replace("CONNECTORS", '["user:alice"]') + RESOURCE
    (folder / "connector.toml").write_text(text.replace('path = "users.toml"', 'path = "users.toml"\nscram = true'))
    return _Opened(folder)


class _Opened:
    def __init__(self, folder: Path) -> None:
        self._container = Container.open(folder / "connector.toml")

    def __enter__(self) -> Wire:
        return Wire(self._container.__enter__())

    def __exit__(self, *error: Any) -> None:
        self._container.__exit__(*error)


@pytest.fixture
def bus_with_sql(tmp_path: Path) -> Iterator[Wire]:
    """A bus whose users are in a database, and have no verifier yet."""
    require_proton()
    folder = tmp_path / "bus"
    folder.mkdir()
    users = SqlRegistryProvider().with_passwords("weather", sql(folder, scram=False), ScryptPasswords(CHEAP))
    for user in USERS:
        users.add_user(user, Secret(user))
    users.close()
    text = CONFIGURATION.replace("PERMITTED", '"all"').replace("CONNECTORS", '["user:alice"]') + RESOURCE
    realm = f'registry = "sql"\nurl = "{sql(folder)["url"]}"\nscram = true\n'
    (folder / "connector.toml").write_text(text.replace('registry = "file"\npath = "users.toml"\n', realm))
    with _Opened(folder) as made:
        yield made


def sql(folder: Path, *, scram: bool = True) -> dict[str, Any]:
    return {"url": f"sqlite:///{folder / 'users.db'}", "scram": scram}


def test_users_of_a_database_sign_on_by_it_once_each_has_a_verifier(bus_with_sql: Wire, tmp_path: Path) -> None:
    told = [each for each in bus_with_sql.container.findings() if each.code == "CF-CTR-530"]
    assert [(each.severity, each.place) for each in told] == [("note", "realms.weather.scram")]
    assert f"{len(USERS)} of the users" in str(told[0])
    assert offered(bus_with_sql) == ("PLAIN",)
    with client(tmp_path / "shop", bus_with_sql.port(), allow_plain_passwords=False) as shop:
        with pytest.raises(ConnectorError, match="CF-AMQP-0"):
            shop.connect("alice")
        users = SqlRegistryProvider().with_passwords("weather", sql(tmp_path / "bus"), ScryptPasswords(CHEAP))
        for user in USERS:
            users.set_password(user, Secret(user))
        users.close()
        assert [each for each in bus_with_sql.container.findings() if each.code == "CF-CTR-530"] == []
        with shop.connect("alice") as made:
            made.send("requests", "proved")
            message = made.receive("requests", 5)
        with pytest.raises(LoginRefused, match="CF-AMQP-012"):
            shop.connect("alice", "wrong")
    assert message is not None
    assert str(message.identity) == "alice@weather"


def test_what_was_offered_is_offered_while_the_database_is_away(bus: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    from connector_bus.chains.admission import Admission
    from connector_bus.chains.settings import ChainSettings

    identity = bus.bus.context.identity
    made = Admission(ChainSettings("any"), {"weather": bus.bus}, identity, {}, "weather", lambda _: ())
    before = made.mechanisms()

    def away() -> bool:
        raise RegistryUnavailable(AWAY)

    monkeypatch.setattr(identity, "scram_offered", away)
    assert made.mechanisms() == before == ("SCRAM-SHA-256", "PLAIN")


def offered(made: Wire) -> tuple[str, ...]:
    from connector_bus.chains.admission import Admission
    from connector_bus.chains.settings import ChainSettings

    identity = made.bus.context.identity
    return Admission(ChainSettings("any"), {"weather": made.bus}, identity, {}, "weather", lambda _: ()).mechanisms()


def test_a_client_signs_on_and_is_who_it_says(bus: Wire, tmp_path: Path) -> None:
    # Without `allow_plain_passwords`: had it to be PLAIN, the client would keep the password back.
    with client(tmp_path / "shop", bus.port(), allow_plain_passwords=False) as shop, shop.connect("alice") as made:
        made.send("requests", "proved")
        message = made.receive("requests", 5)
    assert message is not None
    assert str(message.identity) == "alice@weather"


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody-there", "x")])
def test_a_wrong_password_and_an_unknown_user_are_refused_alike(
    bus: Wire, tmp_path: Path, user: str, password: str
) -> None:
    with client(tmp_path / "shop", bus.port(), allow_plain_passwords=False) as shop:
        with pytest.raises(LoginRefused, match="CF-AMQP-012"):
            shop.connect(user, password)
    assert bus.listeners._throttle._failures, "it counts as a guess"


def test_it_is_offered_before_plain_and_only_while_every_user_has_a_verifier(bus: Wire, tmp_path: Path) -> None:
    assert offered(bus) == ("SCRAM-SHA-256", "PLAIN")
    registry(tmp_path / "bus", scram=False).add_user("dora", Secret("dora"))
    assert offered(bus) == ("PLAIN",)
    registry(tmp_path / "bus").set_password("dora", Secret("new"))
    assert offered(bus) == ("SCRAM-SHA-256", "PLAIN")


def test_a_new_password_counts_and_the_former_one_no_more(bus: Wire, tmp_path: Path) -> None:
    registry(tmp_path / "bus").set_password("alice", Secret("changed"))
    with client(tmp_path / "shop", bus.port(), allow_plain_passwords=False) as shop:
        with pytest.raises(LoginRefused):
            shop.connect("alice", "alice")
        shop.connect("alice", "changed").close()


# --- the registry -----------------------------------------------------------------------------------------------------


def test_a_password_that_is_changed_without_a_verifier_takes_the_former_one_along(tmp_path: Path) -> None:
    fill(tmp_path, ("alice", "bob"))
    registry(tmp_path, scram=False).set_password("alice", Secret("changed"))
    text = (tmp_path / "users.toml").read_text()
    assert text.count("SCRAM-SHA-256$") == 1
    assert not registry(tmp_path).scram_offered()


def test_a_realm_that_does_not_want_it_has_none(tmp_path: Path) -> None:
    fill(tmp_path, ("alice",))
    assert not registry(tmp_path, scram=False).scram_offered()
    assert registry(tmp_path, scram=False).scram_verifier("alice") is None


def test_an_unknown_user_gets_what_looks_like_the_others_each_time_the_same(tmp_path: Path) -> None:
    fill(tmp_path, ("alice", "bob"))
    known = registry(tmp_path).scram_verifier("alice")
    one, again, other = (registry(tmp_path).scram_verifier(name) for name in ("eve", "eve", "oscar"))
    assert known is not None
    assert one is not None
    assert again is not None
    assert other is not None
    assert (one.salt, one.rounds) == (again.salt, again.rounds)
    assert one.salt != other.salt
    assert (len(one.salt), one.rounds) == (len(known.salt), known.rounds)


def test_what_is_no_verifier_is_told_without_showing_it(tmp_path: Path) -> None:
    fill(tmp_path, ("alice",))
    path = tmp_path / "users.toml"
    path.write_text(path.read_text().replace("SCRAM-SHA-256$", "SCRAM-SHA-1$"))
    with pytest.raises(ConfigError, match="CF-SEC-460") as caught:
        registry(tmp_path)
    assert "SCRAM-SHA-1" not in str(caught.value)


# --- the exchange -----------------------------------------------------------------------------------------------------

VERIFIER = read_scram_verifier(scram_verifier_of(Secret("pencil, =ü"), 4096))
NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=20)


@given(NAMES, st.sampled_from(["pencil, =ü", "pencil", "ü"]))
def test_who_knows_the_password_gets_in_and_nobody_else(user: str, password: str) -> None:
    assert VERIFIER is not None
    asking = ScramClient(user, Secret(password))
    server = ScramServer(asking.first())
    assert server.user == user
    proof = asking.answer(server.challenge(VERIFIER))
    assert server.proves(proof) is (password == "pencil, =ü")
    if password == "pencil, =ü":
        assert asking.answer(server.final()) == b""
        assert asking.finish(b"")


def test_no_proof_fits_the_verifier_of_nobody() -> None:
    assert VERIFIER is not None
    asking = ScramClient("eve", Secret("pencil, =ü"))
    server = ScramServer(asking.first())
    assert not server.proves(asking.answer(server.challenge(fitting_nothing("eve", VERIFIER))))


def test_the_exchange_of_the_standard_is_the_same_to_the_byte() -> None:
    """RFC 7677, section 3."""
    text = "W22ZaJ0SNY7soEsUEjb6gQ=="
    salt = base64.b64decode(text)
    import hashlib
    import hmac

    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    keys = ":".join(base64.b64encode(each).decode() for each in (stored, hmac.digest(salted, b"Server Key", "sha256")))
    verifier = read_scram_verifier(f"SCRAM-SHA-256$4096:{text}${keys}")
    assert verifier is not None
    server = ScramServer(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    assert (
        server.challenge(verifier)
        == b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert server.proves(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert server.final() == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n,,",
        b"n,,n=alice",
        b"n,,n=,r=x",
        b"n,,n=alice,r=",
        b"n,,r=x,n=alice",
        b"n,a=bob,n=alice,r=x",
        b"p=tls-unique,,n=alice,r=x",
        b"n,,n=al=20ice,r=x",
        b"n,,m=ext,n=alice,r=x",
        b"n,,n=alice,r=" + b"x" * 200,
        b"\xff,,n=alice,r=x",
    ],
)
def test_a_first_message_that_is_none_or_for_somebody_else_is_refused(first: bytes) -> None:
    with pytest.raises(ScramUnfit):
        ScramServer(first)
    server = SaslServer([SCRAM])
    server.feed(SASL_HEADER)
    server.feed(init_frame(SCRAM, first, ""))
    assert server.state is SaslState.FAILED


@given(st.binary(max_size=200))
def test_a_final_message_that_is_none_proves_nothing(response: bytes) -> None:
    assert VERIFIER is not None
    server = SaslServer([SCRAM])
    server.feed(SASL_HEADER + init_frame(SCRAM, b"n,a=alice,n=alice,r=x", ""))
    assert server.question is not None
    assert (server.question.user, server.question.proved) == ("alice", None)
    server.challenge(VERIFIER)
    server.feed(response_frame(response))
    assert server.state is SaslState.FAILED
    assert server.question is None


def test_a_proof_that_is_wrong_is_a_question_answered_by_no() -> None:
    assert VERIFIER is not None
    asking = ScramClient("alice", Secret("guessed"), "x")
    server = SaslServer([SCRAM])
    server.feed(SASL_HEADER + init_frame(SCRAM, asking.first(), ""))
    challenge = server.challenge(VERIFIER)
    server.feed(response_frame(asking.answer(challenge[challenge.index(b"r=") :])))
    assert server.question is not None
    assert server.question.proved is False
    server.answer(SaslOutcome.AUTHENTICATION_FAILED, "CF-SEC-010")
    assert server.state is SaslState.FAILED
