r"""The client's side of AMQP's SASL layer: bytes in, bytes out; no I/O and no waiting (CHAIN-5).

::

    HEADER --server's header--> MECHANISMS --init--> OUTCOME --ok--> AMQP (done)
                                                        \--else--> FAILED

Which mechanism is taken depends on who we are alone: PLAIN (or SCRAM-SHA-256, where it is offered) with a user,
EXTERNAL with a certificate, ANONYMOUS with neither. There is no second choice: a password is never sent because
something better was not offered, and nobody becomes anonymous by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, final

from connector.spi import PasswordCredential
from connector.spi.scram import ScramClient, ScramFailed
from connector_amqp.sasl_frames import (
    CHALLENGE,
    MECHANISMS,
    OUTCOME,
    SASL_HEADER,
    MalformedFrame,
    SaslFrame,
    frame_size,
    init_frame,
    read_frame,
    response_frame,
)

PLAIN: Final = "PLAIN"
SCRAM: Final = "SCRAM-SHA-256"
EXTERNAL: Final = "EXTERNAL"
ANONYMOUS: Final = "ANONYMOUS"


class SaslState(Enum):
    """Where the exchange is."""

    HEADER = "the protocol header is awaited"
    MECHANISMS = "the offer is awaited"
    OUTCOME = "the outcome is awaited"
    AMQP = "signed on"
    FAILED = "ended"


class SaslFailure(Enum):
    """Why it ended."""

    PROTOCOL = "protocol"  # the other side does not speak this
    NOT_OFFERED = "not-offered"  # what we would sign on with is not offered
    PLAIN_TEXT = "plain-text"  # a password would have to go in plain text
    REFUSED = "refused"  # the credential was refused
    SYSTEM = "system"  # the server can't tell now


@dataclass(frozen=True, slots=True)
class Identification:
    """Who we say that we are.

    Attributes:
        credential: User and password, or None.
        external: Whether, without user, the certificate says it.
        plain_allowed: Whether a password may be sent as it is: over TLS, or where the deployer allows it.
        hostname: Which host is meant.
    """

    credential: PasswordCredential | None
    external: bool
    plain_allowed: bool
    hostname: str


@final
class SaslClient:
    """One exchange. Not safe for several threads.

    Attributes:
        state: Where it is.
        failure: Why it FAILED.
        reason: The same in words, without anything secret.
        mechanism: What was chosen, or empty.
    """

    def __init__(self, who: Identification) -> None:
        self._who = who
        # Mutable state: what came and was not read yet, and the attributes.
        self._buffer = bytearray()
        self._scram: ScramClient | None = None
        self.state = SaslState.HEADER
        self.failure: SaslFailure | None = None
        self.reason = ""
        self.mechanism = ""

    @property
    def rest(self) -> bytes:
        """What belongs to the AMQP layer, once the state is AMQP."""
        return bytes(self._buffer)

    def start(self) -> bytes:
        """What is written first."""
        return SASL_HEADER

    def feed(self, data: bytes) -> bytes:
        """Take what came; answers what is to be written."""
        self._buffer += data
        out = b""
        try:
            while self.state not in (SaslState.AMQP, SaslState.FAILED):
                answer = self._step()
                if answer is None:
                    break
                out += answer
        except MalformedFrame as error:
            self._fail(SaslFailure.PROTOCOL, str(error))
        return out

    def _step(self) -> bytes | None:
        """One step; None where more has to come first."""
        if self.state is SaslState.HEADER:
            if len(self._buffer) < len(SASL_HEADER):
                return None
            header = bytes(self._buffer[: len(SASL_HEADER)])
            if header != SASL_HEADER:
                raise MalformedFrame(f"the header {header!r}")
            del self._buffer[: len(SASL_HEADER)]
            self.state = SaslState.MECHANISMS
            return b""
        size = frame_size(self._buffer)
        if size is None or len(self._buffer) < size:
            return None
        frame = read_frame(bytes(self._buffer[:size]))
        del self._buffer[:size]
        return self._take(frame)

    def _take(self, frame: SaslFrame) -> bytes:
        if self.state is SaslState.MECHANISMS and frame.kind == MECHANISMS:
            return self._choose(frame.names)
        if self.state is SaslState.OUTCOME and frame.kind == CHALLENGE:
            return self._answer(frame.data)
        if self.state is SaslState.OUTCOME and frame.kind == OUTCOME:
            return self._end(frame)
        raise MalformedFrame("a SASL frame out of its turn")

    def _choose(self, offered: tuple[str, ...]) -> bytes:
        wanted = self._wanted(offered)
        if wanted not in offered:
            return self._fail(SaslFailure.NOT_OFFERED, ", ".join(offered) or "nothing")
        if wanted == PLAIN and not self._who.plain_allowed:
            return self._fail(SaslFailure.PLAIN_TEXT, PLAIN)
        self.mechanism, self.state = wanted, SaslState.OUTCOME
        return init_frame(wanted, self._initial(wanted), self._who.hostname)

    def _wanted(self, offered: tuple[str, ...]) -> str:
        if self._who.credential is None:
            return EXTERNAL if self._who.external else ANONYMOUS
        return SCRAM if SCRAM in offered else PLAIN

    def _initial(self, mechanism: str) -> bytes:
        credential = self._who.credential
        if mechanism == ANONYMOUS:
            return b"anonymous"
        if mechanism == EXTERNAL or credential is None:
            return b""
        if mechanism == SCRAM:
            self._scram = ScramClient(credential.user, credential.password)
            return self._scram.first()
        return f"\0{credential.user}\0{credential.password.reveal()}".encode()

    def _answer(self, challenge: bytes) -> bytes:
        if self._scram is None:
            raise MalformedFrame("a challenge that the mechanism has not")
        try:
            return response_frame(self._scram.answer(challenge))
        except ScramFailed as error:
            return self._fail(SaslFailure.PROTOCOL, str(error))

    def _end(self, frame: SaslFrame) -> bytes:
        if frame.code == 0:
            if self._scram is not None and not self._scram.finish(frame.data):
                return self._fail(SaslFailure.PROTOCOL, "the server did not prove that it knows the password")
            self.state = SaslState.AMQP
        elif frame.code == 1:
            self._fail(SaslFailure.REFUSED, "")
        else:
            self._fail(SaslFailure.SYSTEM, f"outcome {frame.code}")
        return b""

    def _fail(self, failure: SaslFailure, reason: str) -> bytes:
        self.state, self.failure, self.reason = SaslState.FAILED, failure, reason
        self._buffer.clear()
        return b""

    def __repr__(self) -> str:
        return f"<SaslClient {self.state.name}>"
