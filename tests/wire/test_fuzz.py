"""Streams that no client sends: the server lives, its memory is bounded, others are served (CHAIN-5).

`CONNECTOR_FUZZ_STREAMS` says how many (`make fuzz`: a million), `CONNECTOR_FUZZ_SEED` which ones.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_tls import profile_keys
from support_wire import Wire, receive, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import Message  # noqa: E402

from connector_bus.chains.sasl_frames import AMQP_HEADER, SASL_HEADER  # noqa: E402

STREAMS = int(os.environ.get("CONNECTOR_FUZZ_STREAMS", "2000"))
SEED = int(os.environ.get("CONNECTOR_FUZZ_SEED", "7"))
#: How much the process may grow, whatever the number of streams.
GROWTH = 64 * 1024 * 1024


def frame(kind: int, body: bytes, channel: int = 0) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + bytes((2, kind, 0, channel)) + body


def listed(code: int, *fields: bytes) -> bytes:
    data = b"".join(fields)
    return b"\x00\x53" + bytes((code, 0xC0, len(data) + 1, len(fields))) + data


def text(value: bytes) -> bytes:
    return b"\xa1" + bytes((len(value),)) + value


NULL, ZERO, YES, NO = b"\x40", b"\x43", b"\x41", b"\x42"
INIT = frame(1, listed(0x41, b"\xa3\x09ANONYMOUS"))
PLAIN = frame(1, listed(0x41, b"\xa3\x05PLAIN", b"\xa0\x00"))
OPEN = frame(0, listed(0x10, text(b"fuzz"), text(b"weather")))
BEGIN = frame(0, listed(0x11, NULL, ZERO, b"\x52\x64", b"\x52\x64"))
SOURCE = listed(0x28, text(b"public"))
TARGET = listed(0x29, text(b"public"))
SEND = frame(0, listed(0x12, text(b"s"), ZERO, NO, NULL, NULL, listed(0x28), TARGET, NULL, NULL, ZERO))
TAKE = frame(0, listed(0x12, text(b"r"), b"\x52\x01", YES, NULL, NULL, SOURCE, listed(0x29)))
CONTROL = frame(0, listed(0x12, text(b"c"), b"\x52\x02", NO, NULL, NULL, listed(0x28), listed(0x30), NULL, NULL, ZERO))
FLOW = frame(0, listed(0x13, ZERO, b"\x52\x64", ZERO, b"\x52\x64", b"\x52\x01", ZERO, b"\x52\x0a"))
BODY = b"\x00\x53\x73" + b"\x45" + b"\x00\x53\x75\xa0\x01x"
TRANSFER = frame(0, listed(0x14, ZERO, ZERO, b"\xa0\x011", ZERO, NO) + BODY)
MORE = frame(0, listed(0x14, ZERO, b"\x52\x01", b"\xa0\x012", ZERO, NO, YES) + BODY)
DECLARE = frame(0, listed(0x14, b"\x52\x02", b"\x52\x02", b"\xa0\x013", ZERO, NO) + b"\x00\x53\x77\x00\x53\x31\x45")
ACCEPT = frame(0, listed(0x15, YES, ZERO, b"\x52\x05", YES, b"\x00\x53\x24\x45"))
DETACH, END, CLOSE = frame(0, listed(0x16, ZERO, YES)), frame(0, listed(0x17)), frame(0, listed(0x18))
GOOD = [OPEN, BEGIN, SEND, TAKE, CONTROL, FLOW, TRANSFER, MORE, DECLARE, ACCEPT, DETACH, END, CLOSE]


def mutated(data: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut, repeated or put in."""
    result = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(result) + 1)
        kind = chance.randrange(5)
        if kind == 0 and place < len(result):
            result[place] = chance.randrange(256)
        elif kind == 1:
            del result[place : place + chance.randrange(1, 8)]
        elif kind == 2:
            result[place:place] = chance.randbytes(chance.randrange(1, 8))
        elif kind == 3:
            result[place:place] = result[place : place + chance.randrange(1, 40)]
        elif place + 4 <= len(result):
            result[place : place + 4] = chance.choice((b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x08"))
    return bytes(result)


def noise(chance: random.Random) -> bytes:
    start = chance.choice((b"", SASL_HEADER, AMQP_HEADER, SASL_HEADER + INIT + AMQP_HEADER))
    return start + chance.randbytes(chance.randrange(200))


def sasl(chance: random.Random) -> bytes:
    return mutated(SASL_HEADER + chance.choice((INIT, PLAIN)) + AMQP_HEADER, chance) + OPEN


def frames(chance: random.Random) -> bytes:
    """The frames of an honest client, some of them changed, left out, or in another order."""
    chosen = [each for each in GOOD if chance.random() < 0.9]
    if chance.random() < 0.3:
        chance.shuffle(chosen)
    place = chance.randrange(len(chosen)) if chosen else 0
    body = b"".join(mutated(each, chance) if at == place else each for at, each in enumerate(chosen))
    return SASL_HEADER + INIT + AMQP_HEADER + body


def tls(chance: random.Random) -> bytes:
    hello = b"\x16\x03\x01\x00\x40\x01\x00\x00\x3c\x03\x03" + chance.randbytes(53)
    return mutated(hello, chance)


KINDS: list[tuple[str, Callable[[random.Random], bytes]]] = [
    ("InboundBasicMessaging", noise),
    ("InboundBasicMessaging", sasl),
    ("InboundBasicMessaging", frames),
    ("InboundBasicMessaging", frames),
    ("InboundSecureMessaging", tls),
]


def stream(port: int, data: bytes) -> None:
    """Send, end our side, and hear what is said until the server has had enough."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.settimeout(20)
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        except TimeoutError:
            raise AssertionError(f"the server neither answers nor closes: {data.hex()}") from None
        except OSError:  # reset
            return


def memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def others_are_served(client: Any) -> None:
    sender = client.create_sender("requests")
    sender.send(Message(body="x", durable=False))
    sender.close()
    assert receive(client, "requests").body == "x"


EXTRA = """
[buses.weather.destinations.public]
reliability = "express"
max_depth = 100
roles = { sender = ["Everyone"], receiver = ["Everyone"] }
[tls.node]
key_store = "node.pem"
[chains.InboundSecureMessaging]
port = 0
tls = "node"
"""


@pytest.fixture
def running(tmp_path: Path) -> Any:
    profile_keys(tmp_path, "node")
    with wire(tmp_path, connectors='["Everyone"]', extra=EXTRA) as started:
        yield started


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures memory as Linux shows it")
def test_broken_streams_break_nothing(running: Wire) -> None:
    chance = random.Random(SEED)
    client = running.connect("alice")
    others_are_served(client)
    ports = {name: running.port(name) for name, _ in KINDS}
    before = 0
    for number in range(STREAMS):
        if number == STREAMS // 10:  # what is allocated once has been by then
            before = memory()
        chain, make = KINDS[number % len(KINDS)]
        stream(ports[chain], make(chance))
        if number % max(1, STREAMS // 20) == 0:
            others_are_served(client)
    others_are_served(client)
    grown = memory() - before
    assert grown < GROWTH
    client.close()
    assert sum(running.listeners.clients().values()) <= 1
    print(f"{STREAMS} streams, {grown // 1024} kB more")
