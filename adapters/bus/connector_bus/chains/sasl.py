r"""The server's side of AMQP's SASL layer: bytes in, bytes out, and one question in between (CHAIN-5).

Theory of operation
-------------------
::

    HEADER --SASL header--> INIT --sasl-init--> ASKING --answer(OK)--> AMQP --AMQP header--> DONE
                                                                          (or that of links)
       |                                          \---answer(other)--> FAILED
       \--bare AMQP header, where nobody has to say who they are--> DONE

With SCRAM there are more steps in between::

    INIT --sasl-init--> ASKING --challenge--> PROOF --response--> ASKING --answer(OK)--> FINAL --response--> AMQP

The server's proof goes as a challenge of its own, which every client can take, whatever it makes of an outcome's data.

No I/O and no waiting: whoever drives it feeds it what came, writes what it answers, and finds the question in
`question` when there is one. It is answered later, once the registry has been asked; what comes meanwhile is kept.
Whatever comes wrong ends in FAILED: what `feed` has answered then is written, and the socket closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, final

from connector.spi import ScramVerifier, Secret
from connector_bus.chains.sasl_frames import (
    AMQP_HEADER,
    MIN_MAX_FRAME,
    SASL_HEADER,
    MalformedFrame,
    SaslInit,
    SaslOutcome,
    challenge_frame,
    frame_size,
    mechanisms_frame,
    outcome_frame,
    read_init,
    read_response,
)
from connector_bus.chains.scram import ScramServer, ScramUnfit

PLAIN: Final = "PLAIN"
EXTERNAL: Final = "EXTERNAL"
SCRAM: Final = "SCRAM-SHA-256"
ANONYMOUS: Final = "ANONYMOUS"
#: Of a client that begins with the bare AMQP header.
NO_SASL: Final = "none"
#: More than this may not come before somebody is authenticated.
MAX_WAITING: Final = 65536


class SaslState(Enum):
    """Where the exchange is."""

    HEADER = "the protocol header is awaited"
    INIT = "the client's choice is awaited"
    ASKING = "somebody is asked"
    PROOF = "the client's proof is awaited"
    FINAL = "the client's last word is awaited"
    AMQP = "the AMQP header is awaited"
    DONE = "authenticated"
    FAILED = "ended"


@dataclass(frozen=True, slots=True)
class Question:
    """Who somebody claims to be.

    Attributes:
        mechanism: How.
        user: The name, or None with ANONYMOUS and without SASL.
        password: With PLAIN; not empty.
        proved: With SCRAM: whether the proof was right; None while the verifier is asked for.
    """

    mechanism: str
    user: str | None = None
    password: Secret | None = None
    proved: bool | None = None


@final
class SaslServer:
    """One exchange. Not safe for several threads.

    Args:
        mechanisms: What is offered, in order of preference.
        external: Whom the client's certificate stands for; None for nobody.
        bare: Whether a client may begin without this layer at all.
        layers: The headers of what may come after it, AMQP's own among them.
        max_frame: Bytes of the largest frame that the client may send.

    Attributes:
        state: Where it is.
        question: What is to be answered; None before and after.
        reason: Why it failed, in words without anything secret.
    """

    def __init__(
        self,
        mechanisms: Sequence[str],
        *,
        external: str | None = None,
        bare: bool = False,
        layers: Sequence[bytes] = (AMQP_HEADER,),
        max_frame: int = MIN_MAX_FRAME,
    ) -> None:
        self._mechanisms = tuple(name for name in mechanisms if name != EXTERNAL or external is not None)
        self._external = external
        self._bare = bare
        self._layers = tuple(layers)
        self._max_frame = max_frame
        # Mutable state: what came and was not read yet, and the attributes.
        self._buffer = bytearray()
        self.state = SaslState.HEADER
        self.question: Question | None = None
        self.reason = ""
        self._scram: ScramServer | None = None

    @property
    def rest(self) -> bytes:
        """What belongs to the layer above, once it is DONE; begins with its header."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """Take what came; answers what is to be written."""
        self._buffer += data
        if len(self._buffer) > MAX_WAITING:
            return self._fail("too much came before anybody was authenticated")
        return self._go_on()

    def answer(self, outcome: SaslOutcome, reason: str = "") -> bytes:
        """Answer the question; answers what is to be written."""
        asked, self.question = self.question, None
        assert asked is not None, "there is no question"
        if asked.mechanism == NO_SASL:
            self.state, self.reason = (SaslState.DONE, "") if outcome is SaslOutcome.OK else (SaslState.FAILED, reason)
            return b"" if outcome is SaslOutcome.OK else SASL_HEADER
        if outcome is not SaslOutcome.OK:
            return outcome_frame(outcome) + self._fail(reason)
        if asked.mechanism == SCRAM:
            assert self._scram is not None
            self.state = SaslState.FINAL
            return challenge_frame(self._scram.final()) + self._go_on()
        self.state = SaslState.AMQP
        return outcome_frame(outcome) + self._go_on()

    def challenge(self, verifier: ScramVerifier) -> bytes:
        """Answer the question for a user's verifier; answers what is to be written."""
        assert self._scram is not None, "there is no question"
        self.question, self.state = None, SaslState.PROOF
        return challenge_frame(self._scram.challenge(verifier)) + self._go_on()

    def _go_on(self) -> bytes:
        out = b""
        try:
            while step := self._step():
                out += step[0]
        except MalformedFrame as error:
            return out + self._fail(str(error))
        return out

    def _step(self) -> tuple[bytes] | None:
        """One step; None where more has to come first."""
        if self.state in (SaslState.HEADER, SaslState.AMQP):
            if len(self._buffer) < len(AMQP_HEADER):
                return None
            return self._header(bytes(self._buffer[: len(AMQP_HEADER)]))
        if self.state not in (SaslState.INIT, SaslState.PROOF, SaslState.FINAL):
            return None
        size = frame_size(self._buffer, self._max_frame)
        if size is None or len(self._buffer) < size:
            return None
        frame = bytes(self._buffer[:size])
        del self._buffer[:size]
        if self.state is SaslState.INIT:
            return (self._chosen(read_init(frame)),)
        return (self._responded(read_response(frame)),)

    def _header(self, header: bytes) -> tuple[bytes] | None:
        if self.state is SaslState.AMQP:
            # Checked here, so that the engine below never sees another layer's header and begins one by itself.
            if header not in self._layers:
                return (AMQP_HEADER + self._fail("another protocol after the authentication"),)
            self.state = SaslState.DONE
            return (b"",)
        if header == SASL_HEADER:
            del self._buffer[: len(SASL_HEADER)]
            self.state = SaslState.INIT
            return (SASL_HEADER + mechanisms_frame(self._mechanisms),)
        if header == AMQP_HEADER and self._bare:
            self.state, self.question = SaslState.ASKING, Question(NO_SASL)
            return None
        # Which header is wanted is how a client that speaks something else is told (2.2).
        return (SASL_HEADER + self._fail("a protocol that is not spoken here"),)

    def _chosen(self, init: SaslInit) -> bytes:
        if init.mechanism not in self._mechanisms:
            return outcome_frame(SaslOutcome.AUTHENTICATION_FAILED) + self._fail("a mechanism that is not offered")
        self.question = self._question(init)
        if self.question is None:
            return outcome_frame(SaslOutcome.AUTHENTICATION_FAILED) + self._fail("a response that is none")
        self.state = SaslState.ASKING
        return b""

    def _responded(self, response: bytes) -> bytes:
        """The next step of SCRAM."""
        assert self._scram is not None
        if self.state is SaslState.FINAL:
            self.state = SaslState.AMQP
            return outcome_frame(SaslOutcome.OK)
        try:
            proved = self._scram.proves(response)
        except ScramUnfit as error:
            return outcome_frame(SaslOutcome.AUTHENTICATION_FAILED) + self._fail(str(error))
        self.state, self.question = SaslState.ASKING, Question(SCRAM, self._scram.user, proved=proved)
        return b""

    def _question(self, init: SaslInit) -> Question | None:
        if init.mechanism == ANONYMOUS:
            return Question(ANONYMOUS)
        if init.mechanism == SCRAM:
            try:
                self._scram = ScramServer(init.response)
            except ScramUnfit:
                return None
            return Question(SCRAM, self._scram.user)
        try:
            if init.mechanism == EXTERNAL:
                # Nobody may ask to be somebody else than the certificate says.
                return Question(EXTERNAL, self._external) if init.response.decode() in ("", self._external) else None
            acting, user, password = init.response.decode().split("\0")
        except ValueError:  # also of a text that is none
            return None
        if not user or not password or acting not in ("", user):
            return None
        return Question(PLAIN, user, Secret(password))

    def _fail(self, reason: str) -> bytes:
        self.state, self.reason = SaslState.FAILED, reason
        self._buffer.clear()
        return b""
