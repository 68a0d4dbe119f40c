"""Links to a broker of another make under TLS, and when it or this end is killed: RabbitMQ (BUS-9, BUS-14, CHAIN-3)."""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_broker_links import ALIASES, Site, client, read, settings, write
from support_bus import REALM, running
from support_certificates import Authority
from support_link_ends import End
from support_rabbitmq import DEAD, LETTERS, REPLIES, RabbitMQ, missing_part
from support_servers import missing
from support_wire import require_proton

from connector.spi import UserPrincipal

pytestmark = pytest.mark.amqp
require_proton()

#: How often an end is killed; more at will.
KILLS = int(os.environ.get("CONNECTOR_LINK_KILLS", "1"))
#: Messages under way at once, each way: what is known of none of them may come twice.
UNDER_WAY = 64


class Keys:
    """An authority, with certificates of the broker and of two users of it; and clients' contexts by name."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._authority = folder, Authority("broker authority")
        for name, host in (("broker", "127.0.0.1"), ("server", "server"), ("stranger", "stranger")):
            certificate, key = self._authority.issue(host)
            (folder / f"{name}.pem").write_bytes(certificate + key)
        (folder / "trusted.pem").write_bytes(self._authority.pem)
        (folder / "other.pem").write_bytes(Authority("another authority").pem)

    @property
    def of_broker(self) -> tuple[bytes, bytes]:
        return (self._folder / "broker.pem").read_bytes(), self._authority.pem

    def client_context(self, name: str) -> ssl.SSLContext:
        trusts = "other" if name == "distrustful" else "trusted"
        context = ssl.create_default_context(cafile=str(self._folder / f"{trusts}.pem"))
        if name in ("server", "stranger"):
            context.load_cert_chain(self._folder / f"{name}.pem")
        return context


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def rabbitmq(keys: Keys) -> Iterator[RabbitMQ]:
    lacking = missing_part()
    if lacking is not None:
        missing(lacking)
    with RabbitMQ(keys.of_broker) as broker:
        yield broker


@pytest.fixture(autouse=True)
def emptied(rabbitmq: RabbitMQ) -> None:
    """Nothing is left over of the test before."""
    for queue in (LETTERS, REPLIES, DEAD):
        read(rabbitmq, queue)


def over_tls(broker: RabbitMQ, **link: Any) -> dict[str, Any]:
    return settings(broker.tls_port, **{"tls": "trusting", "allow_plain": False, **link})


# --- TLS --------------------------------------------------------------------------------------------------------------


def test_messages_go_both_ways_under_tls(tmp_path: Path, rabbitmq: RabbitMQ, keys: Keys) -> None:
    bus = over_tls(rabbitmq, receive={REPLIES: "inbox"}, inbound_user="bob")
    with running(tmp_path, {"britain": bus}, aliases=ALIASES, tls=keys) as world:
        here = Site(world, "britain")
        here.send("alice", f"{LETTERS}@rabbit", "out")
        here.until(lambda: here.link("rabbit")["sent"] == 1)
        assert [each.body for each in read(rabbitmq, LETTERS, 1)] == ["out"]
        write(rabbitmq, REPLIES, "in")
        here.until(lambda: [each.body for each in here.peek("inbox")] == ["in"])
        assert here.link("rabbit")["endpoint"] == f"127.0.0.1:{rabbitmq.tls_port}"


def test_a_broker_of_a_signer_that_is_not_trusted_gets_nothing(tmp_path: Path, rabbitmq: RabbitMQ, keys: Keys) -> None:
    bus = over_tls(rabbitmq, tls="distrustful")
    with running(tmp_path, {"britain": bus}, aliases=ALIASES, tls=keys) as world:
        here = Site(world, "britain")
        here.send("alice", f"{LETTERS}@rabbit", "out")
        shown = here.link("rabbit")
    assert (shown["state"], shown["sent"], shown["waiting"]) == ("retrying", 0, 1)
    assert "CF-BUS-447" in shown["text"]
    assert "self-signed certificate" in shown["text"]
    assert f"connector signers retrieve 127.0.0.1:{rabbitmq.tls_port}" in shown["text"]
    assert read(rabbitmq, LETTERS) == []


@pytest.mark.parametrize("who", ["server", "stranger"])
def test_a_broker_is_signed_on_to_by_certificate(tmp_path: Path, rabbitmq: RabbitMQ, keys: Keys, who: str) -> None:
    bus = over_tls(rabbitmq, tls=who, alias=None, certificate_user="server")
    with running(tmp_path, {"britain": bus}, aliases=ALIASES, tls=keys) as world:
        here = Site(world, "britain")
        here.send("alice", f"{LETTERS}@rabbit", "out")
        if who == "server":
            here.until(lambda: here.link("rabbit")["sent"] == 1)
            assert [each.body for each in read(rabbitmq, LETTERS, 1)] == ["out"]
        else:
            here.until(lambda: here.link("rabbit")["state"] == "retrying")
            assert read(rabbitmq, LETTERS) == []


# --- killed under load ------------------------------------------------------------------------------------------------


def require_at_least_once(bodies: list[Any], ids: list[Any], acknowledged: set[Any], breaks: int) -> None:
    """Nothing is lost; what came twice was under way when something broke, and has the same id each time."""
    assert acknowledged - set(bodies) == set()
    assert len(bodies) - len(set(bodies)) <= UNDER_WAY * breaks
    assert all(ids), "a receiver knows by it what it has had"
    assert len(set(zip(bodies, ids, strict=True))) == len(set(bodies)) == len(set(ids))


def test_a_broker_that_is_killed_while_messages_go_both_ways_loses_none(tmp_path: Path, rabbitmq: RabbitMQ) -> None:
    count = 300
    bus = settings(rabbitmq.port, receive={REPLIES: "inbox"}, inbound_user="bob")
    with running(tmp_path, {"britain": bus}, aliases=ALIASES, threaded=True) as world:
        here = Site(world, "britain")
        for kill in range(KILLS):
            numbers = range(kill * count, (kill + 1) * count)
            write_numbered(rabbitmq, numbers)  # each of which the broker has accepted
            with here.connect("alice") as connection:
                for number in numbers:
                    connection.send(f"{LETTERS}@rabbit", number)
                    if number == numbers[count // 2]:
                        rabbitmq.crash()
            rabbitmq.start()
        every = set(range(count * KILLS))
        here.until(lambda: here.link("rabbit")["waiting"] == 0, 60)
        here.until(lambda: {each.body for each in here.peek("inbox")} >= every, 60)
        came = here.peek("inbox")
    went = read(rabbitmq, LETTERS)
    # Each kill may break a batch, and so may the first attempt after it.
    require_at_least_once([each.body for each in went], [each.id for each in went], every, KILLS * 2)
    require_at_least_once([each.body for each in came], [each.message_id for each in came], every, KILLS * 2)
    assert {each.identity for each in came} == {UserPrincipal("bob", REALM)}


def write_numbered(broker: RabbitMQ, numbers: range) -> None:
    from proton import Message as Wire

    with client(broker) as connection:
        sender = connection.create_sender(REPLIES)
        for number in numbers:
            sender.send(Wire(body=number, durable=True, id=f"letter-{number}"))


def test_this_end_may_be_killed_while_messages_go_to_a_broker_and_loses_none(
    tmp_path: Path, rabbitmq: RabbitMQ
) -> None:
    chance = random.Random(int(os.environ.get("CONNECTOR_LINK_SEED", "7")))
    here = End("britain", tmp_path / "britain", f"amqp:{rabbitmq.port}")
    kills = KILLS * 3
    for _ in range(kills):
        here.listen(chance.randint(50, 300))
        here.kill()
        here.start()
    here.listen(20)
    *rest, drained, stopped = here.end()
    here.acknowledged += rest
    assert (drained, stopped) == ("drained", "stopped")
    there = read(rabbitmq, LETTERS)
    require_at_least_once([each.body for each in there], [each.id for each in there], set(here.acknowledged), kills)
    assert len(here.acknowledged) > kills
