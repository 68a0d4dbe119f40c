"""The sending end of a session between processes, in frames over a socket, whatever kind of socket it is."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, final

from connector_bus.links.conversation import answers_from_head, require_welcome
from connector_bus.links.exploration import Question, Stage
from connector_bus.links.framing import question_to_head, read_frame, stages_from_head, transfers_to_head, write_frame
from connector_bus.links.transfer import Answer, Transfer

#: Seconds until an answer has to be there: the other side may wait for a place, for each message of a batch.
ANSWER_TIMEOUT: Final = 300.0
#: Bytes that the head of an answer may have: codes and texts, or the identifiers that are held.
ANSWER_HEAD: Final = 4 * 1024 * 1024


@final
class FrameSession:
    """See `connector_bus.links.contract.LinkSession`.

    Args:
        connection: The socket, signed on; closed with the session.
        endpoint: Where the other bus was reached, in words.
    """

    def __init__(self, connection: socket.socket, endpoint: str) -> None:
        self._endpoint = endpoint
        self._connection = connection

    @property
    def endpoint(self) -> str:
        """See the contract."""
        return self._endpoint

    def held(self) -> frozenset[str]:
        """See the contract."""
        return frozenset(map(str, self._ask({"held": True}).get("held", ())))

    def transfer(self, batch: Sequence[Transfer], forget: Collection[str] = ()) -> Sequence[Answer]:
        """See the contract."""
        written, bodies = transfers_to_head(batch)
        return answers_from_head(self._ask({"transfer": written, "forget": sorted(forget)}, bodies), len(batch))

    def explore(self, question: Question) -> Sequence[Stage]:
        """See the contract."""
        return stages_from_head(self._ask({"explore": question_to_head(question)}).get("stages"))

    def close(self) -> None:
        """See the contract."""
        with suppress(OSError):  # it is closed already
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _ask(self, head: Mapping[str, Any], bodies: Sequence[bytes] = ()) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_TIMEOUT
        with suppress(OSError):  # writing tells
            self._connection.settimeout(ANSWER_TIMEOUT)
        write_frame(self._connection, head, bodies)
        answer, _ = read_frame(self._connection, head_limit=ANSWER_HEAD, body_limit=0, deadline=deadline)
        require_welcome(answer)
        return answer

    def __repr__(self) -> str:
        return f"<FrameSession at {self._endpoint}>"
