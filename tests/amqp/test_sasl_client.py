"""The client's side of the sign-on, byte by byte: which mechanism, what is kept back, and what a server may say."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connector.spi import PasswordCredential, Secret
from connector.spi.scram import ScramClient, ScramFailed
from connector_amqp.sasl import Identification, SaslClient, SaslFailure, SaslState
from connector_amqp.sasl_frames import AMQP_HEADER, SASL_HEADER
from connector_bus.chains.sasl import SaslServer
from connector_bus.chains.sasl_frames import SaslOutcome, mechanisms_frame, outcome_frame

ALICE = PasswordCredential("alice", Secret("wonderland"), object())


def client(credential: PasswordCredential | None = ALICE, *, external: bool = False, plain: bool = True) -> SaslClient:
    return SaslClient(Identification(credential, external, plain, "bus"))


@pytest.mark.parametrize(
    ("who", "offered", "chosen"),
    [
        (client(), ("ANONYMOUS", "PLAIN"), "PLAIN"),
        (client(), ("PLAIN", "SCRAM-SHA-256"), "SCRAM-SHA-256"),
        (client(plain=False), ("PLAIN", "SCRAM-SHA-256"), "SCRAM-SHA-256"),
        (client(None), ("PLAIN", "ANONYMOUS", "EXTERNAL"), "ANONYMOUS"),
        (client(None, external=True), ("PLAIN", "ANONYMOUS", "EXTERNAL"), "EXTERNAL"),
    ],
)
def test_who_we_are_says_which_mechanism(who: SaslClient, offered: tuple[str, ...], chosen: str) -> None:
    assert who.start() == SASL_HEADER
    out = who.feed(SASL_HEADER + mechanisms_frame(offered))
    assert (who.mechanism, chosen.encode() in out) == (chosen, True)


@pytest.mark.parametrize(
    ("who", "offered", "failure"),
    [
        (client(), ("ANONYMOUS", "EXTERNAL"), SaslFailure.NOT_OFFERED),
        (client(None), ("PLAIN",), SaslFailure.NOT_OFFERED),
        (client(None, external=True), ("PLAIN", "ANONYMOUS"), SaslFailure.NOT_OFFERED),
        (client(plain=False), ("PLAIN", "ANONYMOUS"), SaslFailure.PLAIN_TEXT),
    ],
)
def test_there_is_no_second_choice_and_nothing_is_sent(
    who: SaslClient, offered: tuple[str, ...], failure: SaslFailure
) -> None:
    assert who.feed(SASL_HEADER + mechanisms_frame(offered)) == b""
    assert (who.state, who.failure) == (SaslState.FAILED, failure)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_it_agrees_with_our_server_however_the_bytes_come(size: int) -> None:
    who, server = client(), SaslServer(("PLAIN",))
    to_server, to_client = who.start(), b""
    while who.state is not SaslState.AMQP:
        while to_server:
            to_client, to_server = to_client + server.feed(to_server[:size]), to_server[size:]
        if server.question is not None:
            assert server.question.password is not None
            assert (server.question.user, server.question.password.reveal()) == ("alice", "wonderland")
            to_client += server.answer(SaslOutcome.OK)
        while to_client:
            to_server, to_client = to_server + who.feed(to_client[:size]), to_client[size:]
    assert who.rest == b""


@pytest.mark.parametrize(
    ("outcome", "failure"),
    [
        (SaslOutcome.AUTHENTICATION_FAILED, SaslFailure.REFUSED),
        (SaslOutcome.SYSTEM_ERROR_PERMANENT, SaslFailure.SYSTEM),
    ],
)
def test_a_refusal_is_told_from_an_outage(outcome: SaslOutcome, failure: SaslFailure) -> None:
    who = client()
    who.feed(SASL_HEADER + mechanisms_frame(("PLAIN",)))
    who.feed(outcome_frame(outcome))
    assert who.failure is failure


def test_what_follows_the_outcome_is_kept_for_the_next_layer() -> None:
    who = client()
    who.feed(SASL_HEADER + mechanisms_frame(("PLAIN",)))
    who.feed(outcome_frame(SaslOutcome.OK) + AMQP_HEADER)
    assert (who.state, who.rest) == (SaslState.AMQP, AMQP_HEADER)


@settings(max_examples=300, phases=[Phase.explicit, Phase.generate, Phase.shrink], deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_whatever_a_server_says_it_ends_or_waits(data: bytes, begun: bool) -> None:
    who = client()
    if begun:
        who.feed(SASL_HEADER)
    who.feed(data)
    assert who.state is not SaslState.AMQP
    assert "wonderland" not in repr(who) + who.reason


# --- SCRAM: the exchange that RFC 7677 shows ---

NONCE = "rOprNGfwEbeRWgbNEkqO"
CHALLENGE = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"


def test_scram_answers_as_the_standard_says() -> None:
    scram = ScramClient("user", Secret("pencil"), NONCE)
    assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert scram.answer(CHALLENGE).endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert scram.finish(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_a_server_that_does_not_know_the_password_is_found_out() -> None:
    scram = ScramClient("user", Secret("pencil"), NONCE)
    scram.answer(CHALLENGE)
    assert not scram.finish(b"v=" + b"A" * 43 + b"=")
    assert not scram.finish(b"")


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b"\xff",
        b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        b"r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        CHALLENGE.replace(b"4096", b"1"),
        CHALLENGE.replace(b"4096", b"100000000"),
        CHALLENGE.replace(b"W22", b"!22"),
    ],
)
def test_a_challenge_that_is_none_gets_no_proof(challenge: bytes) -> None:
    with pytest.raises(ScramFailed):
        ScramClient("user", Secret("pencil"), NONCE).answer(challenge)
