"""A link to a bus of another container on this machine, over a Unix socket that only its own user can reach."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, final

from connector.errors import ConnectionFailed, LoginRefused, Reason
from connector_bus.links.contract import LinkSession
from connector_bus.links.exploration import Question, Stage
from connector_bus.links.framing import question_to_head, read_frame, stages_from_head, transfers_to_head, write_frame
from connector_bus.links.in_process import BUS_AWAY
from connector_bus.links.transfer import Answer, Login, Outcome, Transfer

PEER_UNTRUSTED = Reason(
    "CF-BUS-212",
    "the socket of a link is held by user id {uid}, who is not the user of this container",
    "Run both containers as one user, or remove what pretends to be the other bus.",
)
REFUSED_THERE = Reason("CF-BUS-213", "the other bus refuses the link with {code}: {text}", "See the reason.")

#: Seconds until the other side has to answer: it may wait for a place, for each message of a batch.
ANSWER_TIMEOUT: Final = 300.0
#: Seconds for connecting and signing on.
LOGIN_TIMEOUT: Final = 10.0


@final
class LocalTransport:
    """See `connector_bus.links.contract.LinkTransport`.

    Args:
        path: The socket that the other bus listens on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, login: Login) -> LinkSession:
        """See the contract. Raises ConnectionFailed CF-BUS-212 as well."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(LOGIN_TIMEOUT)
        try:
            try:
                connection.connect(str(self._path))
            except OSError as error:
                cause = f"{self._path}: {error.strerror or type(error).__name__}"
                raise ConnectionFailed(BUS_AWAY, to=login.to, bus=login.bus, cause=cause) from None
            require_trusted(connection)  # before the password is sent
            write_frame(connection, _to_dict(login))
            head, _ = read_frame(connection)
            _require_welcome(head)
            connection.settimeout(ANSWER_TIMEOUT)
        except BaseException:
            connection.close()
            raise
        return LocalSession(connection)


@final
class LocalSession:
    """The sending end of a session over a socket; see `connector_bus.links.contract.LinkSession`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def held(self) -> frozenset[str]:
        """See the contract."""
        return frozenset(map(str, self._ask({"held": True})["held"]))

    def transfer(self, batch: Sequence[Transfer], forget: Collection[str] = ()) -> Sequence[Answer]:
        """See the contract."""
        written, bodies = transfers_to_head(batch)
        head = self._ask({"transfer": written, "forget": sorted(forget)}, bodies)
        return [Answer(Outcome(each["outcome"]), str(each["code"]), str(each["text"])) for each in head["answers"]]

    def explore(self, question: Question) -> Sequence[Stage]:
        """See the contract."""
        return stages_from_head(self._ask({"explore": question_to_head(question)})["stages"])

    def close(self) -> None:
        """See the contract."""
        with suppress(OSError):  # it is closed already
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _ask(self, head: Mapping[str, Any], bodies: Sequence[bytes] = ()) -> dict[str, Any]:
        write_frame(self._connection, head, bodies)
        answer, _ = read_frame(self._connection)
        _require_welcome(answer)
        return answer


def require_trusted(connection: socket.socket) -> None:
    """Pass if the process at the other end is of this user, or of root. Raises ConnectionFailed CF-BUS-212."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return  # there the modes of socket and folder keep others out
    uid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))[1]
    if uid not in {os.geteuid(), 0}:
        raise ConnectionFailed(PEER_UNTRUSTED, uid=uid)


def _require_welcome(head: Mapping[str, Any]) -> None:
    refusal = head.get("refused")
    if refusal is None:
        return
    kind = LoginRefused if refusal.get("login") else ConnectionFailed
    raise kind(REFUSED_THERE, code=refusal.get("code"), text=refusal.get("text"))


def _to_dict(login: Login) -> dict[str, Any]:
    password = None if login.password is None else login.password.reveal()
    who = {"bus": login.bus, "engine": login.engine, "to": login.to}
    return {"login": {**who, "user": login.user, "password": password}}
