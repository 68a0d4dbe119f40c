"""What every transport of a link promises: in one process, over a socket, and over the network (BUS-14)."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support_bus import REALM, running
from support_links import ALIASES, Country, france
from support_network_links import SECURE, RegistryIdentity, TestTls, at_a_port, chain_settings
from support_sockets import ListenerWithoutDescriptors
from support_wire import require_proton

from connector.errors import ConnectionFailed, LoginRefused
from connector.spi import Message, Secret, UserPrincipal
from connector_bus.links.contract import LinkSession, LinkTransport
from connector_bus.links.framing import read_frame, transfers_from_head, transfers_to_head, write_frame
from connector_bus.links.in_process import InProcessTransport
from connector_bus.links.local import LocalTransport
from connector_bus.links.local_listener import LocalListener
from connector_bus.links.network import NetworkTransport
from connector_bus.links.transfer import Login, Outcome, Transfer
from connector_bus.reliability import Reliability
from connector_bus.settings import LinkSettings
from connector_bus.settings import LinkTransport as Kind
from connector_bus.store.content import Content

LOGIN = Login("britain", "of-britain", "france", "server", Secret("server-pw"))


@dataclass
class Place:
    transport: LinkTransport
    country: Country
    opened: ExitStack

    def open(self, login: Login) -> LinkSession:
        session = self.transport.open(login)
        self.opened.callback(session.close)
        return session


@pytest.fixture(params=["in-process", "local", pytest.param("chain", marks=pytest.mark.amqp)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "chain":
        with over_the_network(tmp_path) as made:
            yield made
        return
    with tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as sockets:
        path = Path(sockets) / "france.sock"
        buses = {"france": france(link_socket=str(path))}
        with running(tmp_path, buses, aliases=ALIASES) as world:
            adapter = world.adapter
            in_process = InProcessTransport(adapter._entrance)
            with ExitStack() as opened:
                transport = in_process if request.param == "in-process" else LocalTransport(path)
                yield Place(transport, Country(world, "france"), opened)


def test_a_listener_that_can_accept_nothing_tries_again_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as sockets,
        running(tmp_path, {"france": france()}, aliases=ALIASES) as world,
    ):
        entrance = world.adapter._entrance("france")
        assert entrance is not None
        path, waits = Path(sockets) / "france.sock", list[float | None]()
        listener = LocalListener("france", path, entrance)
        listener._socket.close()
        listener._socket = ListenerWithoutDescriptors(2, socket.AF_UNIX)
        monkeypatch.setattr(listener._ended, "wait", waits.append)
        listener.start()
        try:
            with closing(LocalTransport(path).open(LOGIN)) as session:
                assert session.held() == frozenset()
        finally:
            listener.stop()
        assert waits == [0.5, 0.5]


@contextmanager
def over_the_network(folder: Path) -> Iterator[Place]:
    require_proton()
    tls = TestTls(folder)
    buses, chains = {"france": at_a_port("france", 1, {})}, chain_settings(SECURE, 0)
    with running(folder, buses, aliases=ALIASES, tls=tls, chains=chains, identity=RegistryIdentity()) as world:
        listeners = world.adapter._listeners
        assert listeners is not None
        link = LinkSettings(Kind.CHAIN, endpoints=(("127.0.0.1", listeners.ports()[SECURE]),), chain=SECURE, tls="node")
        with ExitStack() as opened:
            yield Place(NetworkTransport(link, tls.client_context), Country(world, "france"), opened)


def transfer(number: int, destination: str = "forecasts", **changes: object) -> Transfer:
    header = Message(
        properties={"n": number, "half": 0.5, "none": None},
        message_id=f"ID:{number}",
        identity=UserPrincipal("alice", REALM),
        timestamp=5.0,
        reverse_path=("c@britain",),
    ).replace(**changes)
    return Transfer(f"t-{number}", "france", destination, header, Content.encode({"n": number}))


def test_what_is_handed_over_is_there_when_the_call_returns(place: Place) -> None:
    session = place.open(LOGIN)
    answers = session.transfer([transfer(1), transfer(2)])
    assert [each.outcome for each in answers] == [Outcome.ACCEPTED] * 2
    first, second = place.country.peek("forecasts")
    assert (first.body, second.body) == ({"n": 1}, {"n": 2})
    assert dict(first.properties) == {"n": 1, "half": 0.5, "none": None}
    assert (first.message_id, first.identity, first.timestamp) == ("ID:1", UserPrincipal("alice", REALM), 5.0)
    assert first.reverse_path == ("c@britain",)
    session.close()


def test_what_is_sent_again_is_there_once(place: Place) -> None:
    session = place.open(LOGIN)
    session.transfer([transfer(1)])
    session.transfer([transfer(1), transfer(2)])
    session.close()
    again = place.open(LOGIN)
    assert again.held() == {"t-1", "t-2"}
    again.transfer([transfer(2), transfer(1)])
    assert len(place.country.peek("forecasts")) == 2


def test_what_is_forgotten_is_held_no_longer(place: Place) -> None:
    session = place.open(LOGIN)
    session.transfer([transfer(1), transfer(2)])
    session.transfer([], ["t-1", "t-never"])
    assert session.held() == {"t-2"}


def test_a_refused_message_is_answered_with_its_code(place: Place) -> None:
    (answer,) = place.open(LOGIN).transfer([transfer(1, "secrets")])
    assert (answer.outcome, answer.code) == (Outcome.REFUSED, "CF-BUS-020")
    assert "secrets" in answer.text


def test_a_blocked_message_ends_the_batch(place: Place) -> None:
    place.country.reconfigure(link={"exception_destination": "none"})
    session = place.open(LOGIN)
    answers = session.transfer([transfer(1), transfer(2, "secrets"), transfer(3)])
    assert [each.outcome for each in answers] == [Outcome.ACCEPTED, Outcome.BLOCKED]
    assert len(place.country.peek("forecasts")) == 1


def test_a_new_session_of_the_same_engine_ends_the_old_one(place: Place) -> None:
    old = place.open(LOGIN)
    place.open(LOGIN)
    with pytest.raises(ConnectionFailed):
        old.transfer([transfer(1)])
    assert place.country.peek("forecasts") == []


@pytest.mark.parametrize(
    "login",
    [
        Login("spain", "of-spain", "france", "server", Secret("server-pw")),
        Login("britain", "of-britain", "france", "bob", Secret("bob-pw")),
        Login("britain", "of-britain", "france", "server", Secret("wrong")),
        Login("britain", "of-britain", "france"),
    ],
)
def test_who_may_not_come_in_is_refused(place: Place, login: Login) -> None:
    with pytest.raises(LoginRefused):
        place.open(login)


def test_a_closed_session_hands_nothing_over(place: Place) -> None:
    session = place.open(LOGIN)
    session.close()
    session.close()
    with pytest.raises(ConnectionFailed):
        session.transfer([transfer(1)])


def test_a_frame_reads_back_as_it_was_written() -> None:
    near, far = socket.socketpair()
    with near, far:
        batch = [transfer(1), transfer(2, expires_at=9.0, group="g", priority=9), transfer(3, forward_path=("a", "b"))]
        head, bodies = transfers_to_head(batch)
        writer = threading.Thread(target=write_frame, args=(near, {"transfer": head}, bodies))
        writer.start()
        read, data = read_frame(far)
        writer.join()
        back = transfers_from_head(read["transfer"], data)
    assert [(each.id, each.bus, each.destination, each.content, each.hops) for each in back] == [
        (each.id, each.bus, each.destination, each.content, each.hops) for each in batch
    ]
    assert all(one.header.replace(destination=None) == other.header for one, other in zip(back, batch, strict=True))
    assert {each.reliability for each in back} == {Reliability.ASSURED}


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff" * 12,  # lengths that nobody can mean
        b"\x00\x00\x00\x02" + b"\x00" * 8 + b"[]",
        b"\x00\x00\x00\x03" + b"\x00" * 8 + b"{x}",
        b"\x00\x00\x00\x09" + b"\x00" * 8 + b"{",  # and no more
        b"",
    ],
)
def test_what_is_no_frame_ends_the_session_and_nothing_else(tmp_path: Path, sent: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as sockets:
        path = Path(sockets) / "france.sock"
        with running(tmp_path, {"france": france(link_socket=str(path))}, aliases=ALIASES) as world:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
                stranger.connect(str(path))
                stranger.sendall(sent)
                stranger.shutdown(socket.SHUT_WR)
                stranger.settimeout(5)
                while stranger.recv(4096):
                    pass
            with closing(LocalTransport(path).open(LOGIN)) as session:
                session.transfer([transfer(1)])
            assert len(Country(world, "france").peek("forecasts")) == 1


@pytest.mark.parametrize(
    "written",
    [
        None,
        [{}],
        [{"id": "t", "bus": "b", "size": 1}],
        [{"id": "t", "bus": "b", "size": -1, "message": {}}],
        [{"id": "t", "bus": "b", "size": "many", "message": {}}],
    ],
)
def test_messages_that_cannot_be_read_are_none(written: object) -> None:
    with pytest.raises(ConnectionFailed) as caught:
        transfers_from_head(written, b"")
    assert caught.value.code == "CF-BUS-210"


def test_the_socket_is_for_its_own_user_only_and_goes_with_the_bus(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as sockets:
        path = Path(sockets) / "france.sock"
        with running(tmp_path, {"france": france(link_socket=str(path))}, aliases=ALIASES):
            assert path.stat().st_mode & 0o777 == 0o600
        assert not path.exists()


def test_a_socket_that_a_killed_process_left_is_no_hindrance(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as sockets:
        path = Path(sockets) / "france.sock"
        left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        left.bind(str(path))
        left.close()
        with running(tmp_path, {"france": france(link_socket=str(path))}, aliases=ALIASES):
            with closing(LocalTransport(path).open(LOGIN)) as session:
                assert session.held() == frozenset()
