"""Links as bytes, for buses in two processes: frames, and what is in them.

A frame is the length of its head (4 bytes) and of its bodies together (8 bytes), the head as JSON, and the bodies one
after the other. The head says how long each is. Nothing of a frame is believed before its lengths are found possible.
"""

from __future__ import annotations

import itertools
import json
import math
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, final

from connector.errors import ConnectionFailed, Reason
from connector.spi import Message
from connector_bus.engine.forward_path import HOP_LIMIT
from connector_bus.links.exploration import Question, Stage
from connector_bus.links.transfer import Transfer
from connector_bus.reliability import Reliability
from connector_bus.store.content import Content, ContentKind
from connector_bus.store.record import StoredMessage, header_of, kind_of, principal_of, to_row

FRAME_BROKEN = Reason(
    "CF-BUS-210",
    "the other end of a link sent what is no frame: {fault}",
    "See that both ends are of one version, and that nothing else listens on that socket.",
)
LINK_LOST = Reason(
    "CF-BUS-211",
    "the link was cut off: {cause}",
    "It is opened again by itself; nothing is lost, and between buses nothing is sent twice.",
)

#: Bytes that the head of a frame may have, and all bodies of one frame together.
HEAD_LIMIT: Final = 16 * 1024 * 1024
BODY_LIMIT: Final = 1024 * 1024 * 1024
_LENGTHS: Final = struct.Struct("!IQ")
#: How many hops a message can say that it has behind it, and characters of a transfer's identifier.
_HOPS, _ID_LENGTH = 10_000, 255
#: What of a message's row is of the store that it was in, and not of the message.
_OF_THE_STORE: Final = frozenset({"content", "sequence", "mediated", "attempts", "transfer"})


def encode_frame(head: Mapping[str, Any], bodies: Sequence[bytes] = ()) -> bytes:
    """A frame without its bodies, which are written after it. Pure."""
    encoded = json.dumps(head, ensure_ascii=False).encode()
    return _LENGTHS.pack(len(encoded), sum(map(len, bodies))) + encoded


def write_frame(connection: socket.socket, head: Mapping[str, Any], bodies: Sequence[bytes] = ()) -> None:
    """Send a frame. Blocks. Raises ConnectionFailed CF-BUS-211."""
    encoded = encode_frame(head, bodies)
    try:
        connection.sendall(encoded)
        for body in bodies:
            connection.sendall(body)
    except OSError as error:
        raise ConnectionFailed(LINK_LOST, cause=type(error).__name__) from None


def read_frame(
    connection: socket.socket,
    *,
    head_limit: int = HEAD_LIMIT,
    body_limit: int = BODY_LIMIT,
    deadline: float | None = None,
) -> tuple[dict[str, Any], bytes]:
    """The next frame: its head and all its bodies. Blocks. Raises ConnectionFailed CF-BUS-210 or -211.

    Args:
        connection: Where it comes.
        head_limit: Bytes of the head at most.
        body_limit: Bytes of the bodies at most.
        deadline: When the whole of it has to be there, in monotonic seconds; without one the socket's own timeout
            counts, for each part.
    """
    lengths = _LENGTHS.unpack(read_exactly(connection, _LENGTHS.size, deadline))
    _require_fit(lengths, head_limit, body_limit)
    encoded = read_exactly(connection, lengths[0], deadline)
    return _decode_head(encoded), read_exactly(connection, lengths[1], deadline)


@final
class FrameBuffer:
    """Frames out of bytes as they come, for whoever can't block. Not safe for several threads.

    Attributes:
        head_limit, body_limit: Bytes of a frame's head and bodies at most; looked at before any of them is there.

    Mutable state: what came and was not read yet; the limits, which whoever drives it raises.
    """

    def __init__(self, *, head_limit: int, body_limit: int) -> None:
        self.head_limit, self.body_limit = head_limit, body_limit
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._data += data

    def next(self) -> tuple[dict[str, Any], bytes, int] | None:
        """The next frame, and how many bytes it was; None where more has to come.

        Raises ConnectionFailed CF-BUS-210.
        """
        if len(self._data) < _LENGTHS.size:
            return None
        head_length, body_length = _LENGTHS.unpack_from(self._data)
        _require_fit((head_length, body_length), self.head_limit, self.body_limit)
        begin = _LENGTHS.size + head_length
        end = begin + body_length
        if len(self._data) < end:
            return None
        with memoryview(self._data) as view:
            encoded, bodies = bytes(view[_LENGTHS.size : begin]), bytes(view[begin:end])
        del self._data[:end]
        return _decode_head(encoded), bodies, end


def _require_fit(lengths: tuple[int, int], head_limit: int, body_limit: int) -> None:
    if lengths[0] > head_limit or lengths[1] > body_limit:
        raise ConnectionFailed(FRAME_BROKEN, fault=f"it would have {lengths[0]} and {lengths[1]} bytes")


def _decode_head(encoded: bytes) -> dict[str, Any]:
    try:
        head = json.loads(encoded)
    except (ValueError, RecursionError):
        head = None  # raised outside: a JSON error would carry the text, which may hold a password
    if not isinstance(head, dict):
        raise ConnectionFailed(FRAME_BROKEN, fault="its head is no JSON object")
    return head


def transfers_to_head(batch: Sequence[Transfer]) -> tuple[list[dict[str, Any]], list[bytes]]:
    """Transfers as the head of a frame tells them, and their bodies."""
    return [_to_dict(each) for each in batch], [each.content.data for each in batch]


def transfers_from_head(written: Any, bodies: bytes) -> list[Transfer]:
    """The transfers of a frame. Raises ConnectionFailed CF-BUS-210."""
    read: list[Transfer] | None = None
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        ends = list(itertools.accumulate(int(each["size"]) for each in written))
        starts = [0, *ends[:-1]]
        if ends == sorted(ends) and (not ends or (ends[0] >= 0 and ends[-1] == len(bodies))):
            read = [
                _from_dict(each, bodies[start:end]) for each, start, end in zip(written, starts, ends, strict=False)
            ]
    if read is None:
        # Raised out here: an error of what was read would quote it.
        raise ConnectionFailed(FRAME_BROKEN, fault="its messages can't be read")
    return read


def question_to_head(question: Question) -> dict[str, Any]:
    """A question as the head of a frame tells it."""
    identity = question.identity
    who = {"kind": kind_of(identity), "name": identity.name, "realm": identity.realm}
    message = question.message
    paths = {"forward": list(message.forward_path), "reverse": list(message.reverse_path)}
    return {
        "bus": question.bus,
        "destination": question.destination,
        "identity": who,
        "hops": question.hops,
        "message": {"topic": message.topic, "reply_to": message.reply_to, **paths},
        "came_by": question.came_by,
        "visited": list(question.visited),
        "published": question.published,
    }


def question_from_head(written: Any) -> Question:
    """The question of a frame; older engines say less. Raises ConnectionFailed CF-BUS-210."""
    question = None
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        who, message = written["identity"], written.get("message") or {}
        topic, reply_to = message.get("topic"), message.get("reply_to")
        paths, visited = [message.get(each) or () for each in ("forward", "reverse")], written.get("visited") or ()
        if any(len(each) > HOP_LIMIT for each in paths) or len(visited) > _VISITED:
            raise ValueError
        question = Question(
            str(written["bus"]),
            str(written["destination"]),
            principal_of(str(who["kind"]), str(who["name"]), str(who["realm"])),
            int(written["hops"]),
            Message(
                topic=None if topic is None else str(topic),
                reply_to=None if reply_to is None else str(reply_to),
                forward_path=tuple(map(str, paths[0])),
                reverse_path=tuple(map(str, paths[1])),
            ),
            str(written.get("came_by") or "")[:_TOLD],
            tuple(map(str, visited)),
            published=written.get("published") is True,
        )
    if question is None or not 0 <= question.hops <= _HOPS:
        raise ConnectionFailed(FRAME_BROKEN, fault="its question can't be read")
    return question


#: How many stations a question may have left buses at: the way out and the way back; and characters of a reason.
_VISITED, _TOLD = 2 * HOP_LIMIT, 255


def stages_from_head(written: Any) -> list[Stage]:
    """The stages of a frame. Raises ConnectionFailed CF-BUS-210."""
    stages = None
    with suppress(KeyError, TypeError):
        stages = [Stage.from_dict(each) for each in written]
    if stages is None:
        raise ConnectionFailed(FRAME_BROKEN, fault="its stages can't be read")
    return stages


def _to_dict(transfer: Transfer) -> dict[str, Any]:
    header = transfer.header.replace(destination=transfer.destination)
    stored = StoredMessage(0, header, transfer.content, hops=transfer.hops, reliability=transfer.reliability)
    row = {name: value for name, value in to_row(stored).items() if name not in _OF_THE_STORE}
    return {"id": transfer.id, "bus": transfer.bus, "size": len(transfer.content.data), "message": row}


def _from_dict(written: Mapping[str, Any], body: bytes) -> Transfer:
    row = written["message"]
    header: Message = header_of({**row, "attempts": 0})
    hops, identifier = int(row["hops"]), str(written["id"])
    if not _is_sound(header) or not 0 <= hops <= _HOPS or not 0 < len(identifier) <= _ID_LENGTH:
        raise ValueError
    return Transfer(
        identifier,
        str(written["bus"]),
        str(row["destination"]),
        header,
        Content(ContentKind(row["content_kind"]), body),
        hops,
        Reliability(row["reliability"]),
    )


def _is_sound(header: Message) -> bool:
    """Whether everything is of its type: what another process says must not get into a store unseen."""
    texts = (header.reply_to, header.correlation_id, header.message_id, header.group, header.topic)
    times = (header.timestamp, header.expires_at, header.deliver_at)
    paths = (*header.forward_path, *header.reverse_path)
    return (
        all(each is None or isinstance(each, str) for each in texts)
        and all(each is None or (type(each) in (int, float) and math.isfinite(each)) for each in times)
        and type(header.priority) is int
        and 0 <= header.priority <= 255
        and len(paths) <= 2 * HOP_LIMIT
        and all(isinstance(each, str) for each in paths)
    )


def read_exactly(connection: socket.socket, count: int, deadline: float | None = None) -> bytes:
    """So many bytes. Blocks, until the deadline at most. Raises ConnectionFailed CF-BUS-211."""
    data = bytearray(count)
    view, got = memoryview(data), 0
    try:
        while got < count:
            if deadline is not None:
                # A peer that sends a byte now and then would otherwise keep us for ever.
                connection.settimeout(max(0.001, deadline - time.monotonic()))
            arrived = connection.recv_into(view[got:])
            if not arrived:
                raise ConnectionFailed(LINK_LOST, cause="the other end has closed it")
            got += arrived
    except OSError as error:
        raise ConnectionFailed(LINK_LOST, cause=type(error).__name__) from None
    return bytes(data)
