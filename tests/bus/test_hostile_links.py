"""What a stranger, or an engine that has gone bad, can do over the port of a chain by the frames of links: nothing."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support_bus import REALM
from support_network_links import BASIC, Distant, port_of, two_sites
from support_wire import require_proton

from connector.errors import ConnectionFailed, LoginRefused
from connector.spi import UNAUTHENTICATED, Message, Principal, Secret, ServerPrincipal, UserPrincipal
from connector_bus.links.conversation import answers_from_head
from connector_bus.links.framing import read_frame, transfers_to_head, write_frame
from connector_bus.links.network import LINK_HEADER, connect
from connector_bus.links.sasl_client import Identification, sign_on
from connector_bus.links.transfer import Transfer
from connector_bus.store.content import Content

pytestmark = pytest.mark.amqp
require_proton()

SERVER = Identification("server", Secret("x"), plain_allowed=True)
LOGIN = {"login": {"bus": "britain", "engine": "of-britain", "to": "france", "chain": BASIC}}


class Raw:
    """A connection that has signed on, and says what it likes."""

    def __init__(self, port: int, user: str | None = "server", password: str = "server-pw") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        secret = None if user is None else Secret(password)
        deadline = time.monotonic() + 10
        try:
            who = Identification(user, secret, plain_allowed=True)
            sign_on(self.socket, who, endpoint="france", host="france", deadline=deadline)
        except BaseException:
            self.socket.close()
            raise
        self.socket.settimeout(10)
        self.socket.sendall(LINK_HEADER)
        assert self.socket.recv(8, socket.MSG_WAITALL) == LINK_HEADER

    def ask(self, head: Mapping[str, Any], bodies: tuple[bytes, ...] = ()) -> dict[str, Any]:
        write_frame(self.socket, head, bodies)
        return read_frame(self.socket)[0]

    def log_in(self, **changes: Any) -> dict[str, Any]:
        return self.ask({"login": {**LOGIN["login"], **changes}})

    def hand_over(self, *transfers: Transfer) -> list[dict[str, Any]]:
        head, bodies = transfers_to_head(transfers)
        answers: list[dict[str, Any]] = self.ask({"transfer": head, "forget": []}, tuple(bodies))["answers"]
        return answers

    def is_cut(self) -> bool:
        """Whether the other side ends it, whatever it says before."""
        try:
            while self.socket.recv(4096):
                pass
        except ConnectionResetError:
            return True
        return True

    def close(self) -> None:
        self.socket.close()


@contextmanager
def at_france(folder: Path, **options: Any) -> Iterator[tuple[Distant, Distant, Any]]:
    """Britain, France, and how to get a raw connection to France."""
    opened: list[Raw] = []
    with two_sites(folder, chain=BASIC, **options) as (here, there):

        def connect(*login: Any) -> Raw:
            opened.append(Raw(port_of(there), *login))
            return opened[-1]

        try:
            yield here, there, connect
        finally:
            for each in opened:
                each.close()


def letter(name: str, identity: Principal, **changes: Any) -> Transfer:
    header = Message(properties={}, message_id=name, identity=identity, timestamp=1.0)
    return Transfer(name, "france", "forecasts", header.replace(**changes), Content.encode(name))


ALICE = UserPrincipal("alice", REALM)


def test_whoever_only_has_an_account_opens_no_link(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, _, connect):
        raw = connect("alice", "alice-pw")
        assert raw.log_in()["refused"]["code"] == "CF-BUS-203"
        assert raw.is_cut()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bus": "spain"}, "CF-BUS-202"),
        ({"to": "nowhere"}, "CF-BUS-161"),
        ({"chain": "Another"}, "CF-BUS-443"),
        ({"chain": None}, "CF-BUS-443"),
        ({"bus": "b" * 300}, "CF-BUS-210"),
        ({"bus": "britain\nadmin signed on"}, "CF-BUS-210"),
        ({"engine": 7}, "CF-BUS-210"),
        ({"engine": ""}, "CF-BUS-210"),
        ({"engine": "e" * 5000}, "CF-BUS-210"),
    ],
)
def test_a_login_that_claims_what_it_may_not_is_refused(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    with at_france(tmp_path) as (_, _, connect):
        raw = connect()
        assert raw.log_in(**changes)["refused"]["code"] == code
        assert raw.is_cut()


def test_a_login_claims_no_user_beside_the_one_that_has_signed_on(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, _, connect):
        raw = connect("alice", "alice-pw")
        assert raw.log_in(user="server", password="server-pw")["refused"]["code"] == "CF-BUS-203"


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff" * 12,
        struct.pack("!IQ", 4097, 0),
        struct.pack("!IQ", 2, 1) + b"{}x",
        struct.pack("!IQ", 2, 0) + b"[]",
        struct.pack("!IQ", 4000, 0) + b"[" * 4000,
        struct.pack("!IQ", 2, 0) + b"{}",
        struct.pack("!IQ", 3, 0) + b"\xff{}",
    ],
)
def test_before_the_login_nothing_but_a_login_is_taken(tmp_path: Path, sent: bytes) -> None:
    with at_france(tmp_path) as (here, there, connect):
        raw = connect()
        raw.socket.sendall(sent)
        assert raw.is_cut()
        here.send("alice", "forecasts@france", "rain")
        assert [each.body for each in there.peek("forecasts")] == ["rain"]


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"transfer": "x"},
        {"transfer": [{"id": "a"}], "forget": []},
        {"transfer": [], "forget": "abc"},
        {"explore": {}},
        {"explore": {"bus": "france", "destination": "forecasts", "identity": [], "hops": 0}},
        {
            "explore": {
                "bus": "france",
                "destination": "forecasts",
                "identity": {"kind": "user", "name": "alice", "realm": REALM},
                "hops": -5,
            }
        },
    ],
)
def test_a_request_that_is_none_ends_the_session_and_nothing_else(tmp_path: Path, head: dict[str, Any]) -> None:
    with at_france(tmp_path) as (here, there, connect):
        raw = connect()
        assert raw.log_in() == {"welcome": True}
        assert raw.ask(head)["refused"]["code"] == "CF-BUS-210"
        assert raw.is_cut()
        here.send("alice", "forecasts@france", "rain")
        assert [each.body for each in there.peek("forecasts")] == ["rain"]


@pytest.mark.parametrize(
    "changes",
    [
        {"hops": -1},
        {"hops": "many"},
        {"message_id": {"a": 1}},
        {"priority": 1000},
        {"accepted_at": "now"},
        {"expires_at": float("nan")},
        {"routing": json.dumps({"forward": ["d"] * 1000})},
        {"routing": json.dumps({"forward": [7]})},
        {"properties": "[]"},
        {"reliability": "eternal"},
        {"content_kind": "executable"},
    ],
)
def test_a_message_of_wrong_types_is_in_no_store(tmp_path: Path, changes: dict[str, Any]) -> None:
    with at_france(tmp_path) as (_, there, connect):
        raw = connect()
        raw.log_in()
        head, bodies = transfers_to_head([letter("one", ALICE)])
        head[0]["message"].update(changes)
        assert raw.ask({"transfer": head, "forget": []}, tuple(bodies))["refused"]["code"] == "CF-BUS-210"
        assert (there.peek("forecasts"), there.exceptions()) == ([], [])


def test_a_frame_that_is_larger_than_the_memory_of_the_chain_is_refused_before_it_comes(tmp_path: Path) -> None:
    with at_france(tmp_path, chain_there={"max_memory": 100_000}) as (_, there, connect):
        raw = connect()
        raw.log_in()
        raw.socket.sendall(struct.pack("!IQ", 2, 100_001))
        assert raw.is_cut()
        (crowd,) = there.world.adapter._listeners._crowds.values()  # type: ignore[union-attr]
        assert crowd.memory.used == 0


def test_frames_that_are_begun_and_not_ended_take_no_more_memory_than_the_chain_has(tmp_path: Path) -> None:
    with at_france(tmp_path, chain_there={"max_memory": 100_000}) as (_, there, connect):
        begun = [connect() for _ in range(3)]
        for number, raw in enumerate(begun):
            raw.log_in(engine=f"e{number}")
            raw.socket.sendall(struct.pack("!IQ", 2, 99_000) + b"{}" + b"x" * 40_000)
        (crowd,) = there.world.adapter._listeners._crowds.values()  # type: ignore[union-attr]
        assert begun[2].is_cut()
        assert crowd.memory.used <= 100_000
        for raw in begun:
            raw.close()


def test_who_says_nothing_is_cut_off_when_the_time_for_the_login_is_over(tmp_path: Path) -> None:
    with at_france(tmp_path, chain_there={"login_timeout": 0.3}) as (_, _, connect):
        raw = connect()
        raw.socket.sendall(struct.pack("!IQ", 100, 0) + b"{")
        assert raw.is_cut()


def test_a_frame_that_is_never_ended_ends_the_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector_bus.chains.link_client.FRAME_TIMEOUT", 0.2)
    with at_france(tmp_path) as (_, _, connect):
        raw = connect()
        raw.log_in()
        raw.socket.sendall(struct.pack("!IQ", 2, 10) + b"{}123")
        assert raw.is_cut()


def test_an_engine_says_nothing_of_users_in_realms_that_are_not_trusted(tmp_path: Path) -> None:
    everyone = {"destinations": {"forecasts": {"roles": {"sender": ["Everyone"]}}}}
    with at_france(tmp_path, there=everyone) as (_, there, connect):
        raw = connect()
        raw.log_in()
        told = [ALICE, UserPrincipal("alice", "elsewhere"), UserPrincipal("zoe", "partners"), UNAUTHENTICATED]
        raw.hand_over(*(letter(f"m{number}", each) for number, each in enumerate(told)))
        assert [each.identity for each in there.peek("forecasts")] == [
            ALICE,
            UNAUTHENTICATED,
            UserPrincipal("zoe", "partners"),
            UNAUTHENTICATED,
        ]


def test_a_user_that_the_realm_does_not_know_sends_nothing(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, there, connect):
        raw = connect()
        raw.log_in()
        (answer,) = raw.hand_over(letter("m", UserPrincipal("nobody-here", REALM)))
        assert answer["outcome"] == "refused"
        assert there.peek("forecasts") == []


def test_an_engines_own_identity_gives_no_right_to_send(tmp_path: Path) -> None:
    closed = {"destinations": {"forecasts": {"inherit_defaults": False, "roles": {"sender": ["user:alice"]}}}}
    with at_france(tmp_path, there=closed) as (_, there, connect):
        raw = connect()
        raw.log_in()
        fault = letter("m", ServerPrincipal("of-britain", REALM), properties={"connector_fault": "CF-BUS-045"})
        (answer,) = raw.hand_over(fault)
        assert (answer["outcome"], there.peek("forecasts")) == ("refused", [])


def test_a_transfer_that_is_replayed_is_stored_once_also_by_another_session(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, there, connect):
        first = connect()
        first.log_in()
        first.hand_over(letter("m", ALICE), letter("m", ALICE))
        second = connect()
        second.log_in(engine="another")
        second.hand_over(letter("m", ALICE))
        assert len(there.peek("forecasts")) == 1


def test_a_new_session_of_an_engine_cuts_the_connection_of_the_old_one(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, there, connect):
        old, new = connect(), connect()
        old.log_in()
        new.log_in()
        assert old.is_cut()
        assert new.hand_over(letter("m", ALICE))[0]["outcome"] == "accepted"
        assert there.link("britain")["sessions_from_there"] == 1


def test_one_bus_has_so_many_engines_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector_bus.links.line.MAX_ENGINES", 2)
    with at_france(tmp_path) as (_, _, connect):
        for name in ("a", "b"):
            assert connect().log_in(engine=name) == {"welcome": True}
        assert connect().log_in(engine="c")["refused"]["code"] == "CF-BUS-451"
        assert connect().log_in(engine="a") == {"welcome": True}


def test_links_count_among_the_connections_of_their_user(tmp_path: Path) -> None:
    with at_france(tmp_path, chain_there={"max_user_connections": 1}) as (_, there, connect):
        assert connect().log_in(engine="a") == {"welcome": True}
        assert connect().log_in(engine="b")["refused"]["code"] == "CF-BUS-305"
        assert there.link("britain")["sessions_from_there"] == 1


def test_a_user_who_leaves_takes_the_open_link_along(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, there, connect):
        raw = connect()
        raw.log_in()
        del there.identity.users["server"]
        there.world.adapter.users_changed()
        assert raw.is_cut()


def test_a_changed_link_signs_on_again(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, there, connect):
        raw = connect()
        raw.log_in()
        there.reconfigure(link={"inbound_user": "bob"})
        assert raw.is_cut()


def test_what_follows_a_request_too_early_waits_for_its_answer(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, there, connect):
        raw = connect()
        raw.log_in()
        for number in range(20):
            head, bodies = transfers_to_head([letter(f"m{number}", ALICE)])
            write_frame(raw.socket, {"transfer": head, "forget": []}, bodies)
        for _ in range(20):
            assert read_frame(raw.socket)[0]["answers"][0]["outcome"] == "accepted"
        assert len(there.peek("forecasts")) == 20


def test_guessed_passwords_wait_for_their_answer_as_those_of_clients(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, there, _):
        begun = time.monotonic()
        with pytest.raises(LoginRefused, match="CF-BUS-445"):
            Raw(port_of(there), "server", "guessed")
        assert time.monotonic() - begun >= 1.0


def test_frames_of_links_without_sign_on_are_no_protocol_here(tmp_path: Path) -> None:
    with at_france(tmp_path) as (_, there, _), socket.create_connection(("127.0.0.1", port_of(there)), 10) as bare:
        bare.sendall(LINK_HEADER)
        assert bare.recv(8, socket.MSG_WAITALL) == b"AMQP\x03\x01\x00\x00"
        assert bare.recv(1) == b""


def test_what_the_other_side_says_stays_on_its_line() -> None:
    said = {"outcome": "refused", "code": "X\nY", "text": "one\r\ntwo" + "x" * 9000}
    (answer,) = answers_from_head({"answers": [said]}, 1)
    assert (answer.code, answer.text[:8], len(answer.text)) == ("X Y", "one  two", 2000)
    with pytest.raises(ConnectionFailed, match="CF-BUS-210"):
        answers_from_head({"answers": [said, said]}, 1)
    with pytest.raises(ConnectionFailed, match="CF-BUS-210"):
        answers_from_head({"answers": [{**said, "outcome": "returned"}]}, 1)


class Liar:
    """A server that says what it likes to whoever connects."""

    def __init__(self, said: bytes) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._said = said

    def serve(self) -> None:
        with self.listener, self.listener.accept()[0] as client:
            client.sendall(self._said)
            client.settimeout(5)
            with suppress(ConnectionResetError):
                while client.recv(4096):
                    pass


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"HTTP/1.1 400 ", "CF-BUS-444"),
        (b"AMQP\x00\x01\x00\x00", "CF-BUS-444"),
        (b"AMQP\x03\x01\x00\x00" + b"\xff" * 40, "CF-BUS-444"),
        (b"AMQP\x03\x01\x00\x00" + struct.pack(">IBBH", 12, 2, 1, 0) + b"\x00\x53\x40\x45", "CF-BUS-444"),
        (
            b"AMQP\x03\x01\x00\x00" + struct.pack(">IBBH", 25, 2, 1, 0) + b"\x00\x53\x40\xc0\x0c\x01\xa3\x09EXTERNAL?",
            "CF-BUS-446",
        ),
    ],
)
def test_a_server_that_lies_gets_no_password(said: bytes, code: str) -> None:
    liar = Liar(said)
    thread = threading.Thread(target=liar.serve)
    thread.start()
    with socket.create_connection(("127.0.0.1", liar.port), 10) as connection:
        with pytest.raises(ConnectionFailed, match=code):
            sign_on(connection, SERVER, endpoint="liar", host="liar", deadline=time.monotonic() + 5)
    thread.join()


def test_a_server_that_never_ends_its_frame_is_left_in_time() -> None:
    near, far = socket.socketpair()
    with near, far:
        far.sendall(b"AMQP\x03\x01\x00\x00\x00")
        with pytest.raises(ConnectionFailed, match="CF-BUS-211"):
            sign_on(near, SERVER, endpoint="slow", host="slow", deadline=time.monotonic() + 0.2)
        patience = near.gettimeout()
        assert patience is not None  # so that it could not have waited longer
        assert patience < 0.3


def test_a_name_that_no_host_can_have_is_a_link_that_is_down_and_no_defect() -> None:
    with pytest.raises(ConnectionFailed, match=r"CF-BUS-211.*a\.\.b:7276: that can't be the name of a host"):
        connect("a..b", 7276, None, contexts=lambda name: pytest.fail(name), deadline=time.monotonic() + 5)
