"""How a link over the network signs on: by proof of its password, by certificate, by password (CHAIN-5, BUS-14)."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support_bus import REALM, FakeIdentity
from support_network_links import BASIC, SECURE, ProvingIdentity, at_a_port, two_sites
from support_wire import require_proton

from connector.errors import ConfigError, ConnectionFailed, LoginRefused
from connector.security.scram import read_scram_verifier, scram_verifier_of
from connector.spi import ScramVerifier, Secret, UserPrincipal
from connector_bus.adapter.configuration import read_buses
from connector_bus.chains.sasl import ANONYMOUS, EXTERNAL, PLAIN, SCRAM, SaslServer, SaslState
from connector_bus.chains.sasl_frames import SASL_HEADER, SaslOutcome, challenge_frame, mechanisms_frame, outcome_frame
from connector_bus.links.sasl_client import Identification, mechanism_for, sign_on

pytestmark = pytest.mark.amqp
require_proton()

BY_CERTIFICATE = {"alias": None, "certificate_user": "server", "tls": "certified"}
MAPPED = {"certificate_users": True, "certificate_map": {"127.0.0.1": "server"}}


def why(here: Any) -> str:
    link = here.link("france")
    assert link["state"] == "retrying"
    return str(link["text"])


# --- which mechanism --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "offered", "chosen"),
    [
        (Identification(), (SCRAM, PLAIN, ANONYMOUS, EXTERNAL), ANONYMOUS),
        (Identification("server", Secret("x")), (EXTERNAL, PLAIN, SCRAM), SCRAM),
        (Identification("server", Secret("x")), (EXTERNAL, PLAIN, ANONYMOUS), PLAIN),
        (Identification("server", Secret("x")), (ANONYMOUS,), PLAIN),
        (Identification(by_certificate=True), (SCRAM, PLAIN, EXTERNAL), EXTERNAL),
        (Identification(by_certificate=True), (PLAIN, ANONYMOUS), EXTERNAL),
    ],
)
def test_the_strongest_is_chosen_that_is_offered_and_that_the_link_can(
    who: Identification, offered: tuple[str, ...], chosen: str
) -> None:
    assert mechanism_for(who, offered) == chosen


@given(offered=st.sets(st.sampled_from((PLAIN, SCRAM, EXTERNAL, ANONYMOUS, "GSSAPI"))))
@settings(phases=[Phase.reuse, Phase.generate, Phase.target, Phase.shrink])
def test_who_has_a_password_never_becomes_anonymous_nor_somebody_else(offered: set[str]) -> None:
    assert mechanism_for(Identification("server", Secret("x")), offered) in (SCRAM, PLAIN)


# --- by proof ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chain", [SECURE, BASIC])
def test_a_link_proves_its_password_where_that_is_offered(tmp_path: Path, chain: str) -> None:
    with two_sites(tmp_path, chain=chain, identity=ProvingIdentity) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert [each.body for each in there.peek("forecasts")] == ["rain"]
        assert there.identity.passwords == []


def test_a_link_with_a_wrong_password_is_refused_by_proof_too(tmp_path: Path) -> None:
    with two_sites(tmp_path, identity=ProvingIdentity, alias_here=("server", "guessed")) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert (here.link("france")["code"], there.peek("forecasts")) == ("CF-BUS-445", [])
        assert "guessed" not in str(here.link("france"))


# --- by certificate ---------------------------------------------------------------------------------------------------


def test_a_link_signs_on_by_certificate_without_alias(tmp_path: Path) -> None:
    with two_sites(tmp_path, here=BY_CERTIFICATE, there=BY_CERTIFICATE, chain_there=MAPPED) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        (message,) = there.peek("forecasts")
        assert message.identity == UserPrincipal("alice", REALM)
        assert here.link("france")["certificate_user"] == "server"


def test_a_certificate_that_stands_for_another_user_opens_no_link(tmp_path: Path) -> None:
    chain = MAPPED | {"certificate_map": {"127.0.0.1": "bob"}}
    with two_sites(tmp_path, here=BY_CERTIFICATE, there=BY_CERTIFICATE, chain_there=chain) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-203" in why(here)
        assert there.peek("forecasts") == []


def test_a_certificate_whose_user_is_unknown_is_refused(tmp_path: Path) -> None:
    chain = MAPPED | {"certificate_map": {"127.0.0.1": "nobody-there"}}
    with two_sites(tmp_path, here=BY_CERTIFICATE, there=BY_CERTIFICATE, chain_there=chain) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert here.link("france")["code"] == "CF-BUS-532"


@pytest.mark.parametrize("lacking", ["no certificate", "no mapping"])
def test_a_link_by_certificate_says_what_is_missing(tmp_path: Path, lacking: str) -> None:
    own = BY_CERTIFICATE | ({"tls": "node"} if lacking == "no certificate" else {})
    chain = MAPPED if lacking == "no certificate" else {}
    with two_sites(tmp_path, here=own, there=BY_CERTIFICATE, chain_there=chain) as (here, _):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-531" in why(here)


def test_a_link_by_certificate_takes_nobody_by_password(tmp_path: Path) -> None:
    with two_sites(tmp_path, there=BY_CERTIFICATE, chain_there=MAPPED) as (here, there):
        here.send("alice", "forecasts@france", "rain")
        assert "CF-BUS-535" in why(here)
        assert there.peek("forecasts") == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"certificate_user": "server"}, "with alias"),
        ({"certificate_user": "server", "alias": None, "tls": None}, "without TLS"),
        ({"certificate_user": "server", "alias": None, "transport": "in-process"}, "without TLS"),
    ],
)
def test_where_a_certificate_can_say_nothing_the_configuration_is_refused(
    changes: Mapping[str, Any], fault: str
) -> None:
    link = {"tls": "node", **changes}
    with pytest.raises(ConfigError, match=f"certificate_user on a link {fault}"):
        read_buses({"britain": at_a_port("britain", 1, link)}, FakeIdentity())


# --- of whom a password is kept back ----------------------------------------------------------------------------------


@contextmanager
def served(*said: bytes) -> Iterator[tuple[socket.socket, list[bytes]]]:
    """A server that says its piece whatever it hears; and what it has heard."""
    near, far = socket.socketpair()
    heard: list[bytes] = []

    def serve() -> None:
        far.settimeout(10)
        for each in said:
            far.sendall(each)
        while data := far.recv(4096):
            heard.append(data)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with near:
            yield near, heard
    finally:
        thread.join()
        far.close()


def signing_on(connection: socket.socket, who: Identification) -> None:
    sign_on(connection, who, endpoint="there", host="there", deadline=time.monotonic() + 10)


def test_a_password_is_kept_back_over_plain_text_unless_that_is_allowed() -> None:
    with served(SASL_HEADER + mechanisms_frame([PLAIN])) as (connection, heard):
        with pytest.raises(ConnectionFailed, match="CF-BUS-530"):
            signing_on(connection, Identification("server", Secret("hidden-one")))
        connection.shutdown(socket.SHUT_RDWR)
    assert b"".join(heard) == SASL_HEADER


@pytest.mark.parametrize(
    "answer",
    [
        outcome_frame(SaslOutcome.OK),
        challenge_frame(b"r=mine,s=" + base64.b64encode(b"salt") + b",i=4096"),
        challenge_frame(b"nothing of the kind"),
    ],
)
def test_a_server_that_knows_no_password_gets_no_link_by_proof(answer: bytes) -> None:
    with served(SASL_HEADER + mechanisms_frame([SCRAM, PLAIN]) + answer) as (connection, _):
        with pytest.raises(ConnectionFailed, match="CF-BUS-533"):
            signing_on(connection, Identification("server", Secret("hidden-one"), plain_allowed=True))
        connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def asking(verifier: Callable[[str], ScramVerifier]) -> Iterator[socket.socket]:
    """Our own server's side of the exchange at the other end of a socket."""
    near, far = socket.socketpair()
    server = SaslServer([SCRAM, PLAIN])

    def serve() -> None:
        far.settimeout(10)
        while server.state not in (SaslState.FAILED, SaslState.AMQP) and (data := far.recv(4096)):
            far.sendall(server.feed(data))
            if (asked := server.question) is None:
                continue
            if asked.proved is None:
                far.sendall(server.challenge(verifier(asked.user or "")))
            else:
                outcome = SaslOutcome.OK if asked.proved else SaslOutcome.AUTHENTICATION_FAILED
                far.sendall(server.answer(outcome))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with near:
            yield near
    finally:
        thread.join()
        far.close()


@pytest.mark.parametrize("password", ["right", "wrong"])
@pytest.mark.parametrize("user", ["server", "a,b=c"])
def test_both_sides_of_the_proof_understand_each_other(user: str, password: str) -> None:
    known = read_scram_verifier(scram_verifier_of(Secret("right"), 4096))
    assert known is not None
    with asking(lambda name: {user: known}[name]) as connection:
        if password == "right":
            signing_on(connection, Identification(user, Secret(password)))
        else:
            with pytest.raises(LoginRefused, match="CF-BUS-445"):
                signing_on(connection, Identification(user, Secret(password)))
