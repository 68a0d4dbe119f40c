"""Who gets in over a chain, and onto which bus: one stable code for each refusal (CHAIN-2, CHAIN-5)."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import final

from connector.errors import (
    AccessDenied,
    AuthenticationFailed,
    ConnectorError,
    MessagingError,
    NameNotFound,
    Reason,
    SignOnError,
)
from connector.spi import IdentityService, ScramIdentities, ScramVerifier, Subject
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.directed_bus import DirectedBus
from connector_bus.adapter.sign_on import NO_USER
from connector_bus.chains.bootstrap import places_for
from connector_bus.chains.place import Place
from connector_bus.chains.sasl import ANONYMOUS, EXTERNAL, NO_SASL, PLAIN, SCRAM, Question
from connector_bus.chains.sasl_frames import SaslOutcome
from connector_bus.chains.settings import ChainSettings, is_permitted
from connector_bus.policy.roles import Role

CHAIN_NOT_PERMITTED = Reason(
    "CF-BUS-160",
    "bus {bus} takes no clients over chain {chain}; it permits {permitted}",
    "Connect over another chain, or add this one to `permitted_chains` of the bus.",
)
BUS_NOT_NAMED = Reason(
    "CF-BUS-161",
    "the client names no bus of this server ({named}); there are: {known}",
    "Give the bus as virtual host (hostname in open), or set `default_bus` of chain {chain}.",
)
PASSWORD_IN_THE_OPEN = Reason(
    "CF-BUS-162",
    "user {user} has sent a password over chain {chain}, which is not protected",
    "Use a chain with TLS; whoever listens on the way knows the password now.",
)
NOT_DIRECTED = Reason(
    "CF-BUS-462",
    "this server has no engine of bus {bus} and may not direct clients to one: its policy is {policy}",
    "Connect to a server with an engine of the bus, or have this one nominated (`nominated` of the bus).",
)
NOWHERE = Reason(
    "CF-BUS-463",
    "no engine of bus {bus} is known that a client of chain {chain} may be sent to{wanted}",
    "Correct the target chain, or list an engine with such a chain in `members` of the bus; whoever came over TLS is"
    " sent to no chain without it.",
)

_LOG = logging.getLogger("connector_bus.chains")
_NOBODY = Subject.unauthenticated()
#: The codes of the registry that are about user and password; anything else is an outage.
_REFUSED = frozenset({"CF-SEC-010", "CF-SEC-011"})


#: For those who are sent elsewhere: each to the next place.
_TURNS = itertools.count()


@dataclass(frozen=True, slots=True)
class Direction:
    """Where a client is sent instead of being served.

    Attributes:
        bus: The bus that it may have.
        place: Where.
    """

    bus: str
    place: Place


@final
class Admission:
    """Decides for the clients of one chain. Safe to use from any thread; `authenticate` may block for the registry.

    Args:
        chain: The chain.
        buses: The buses of this server by name.
        directed: The buses whose engines are elsewhere, and whose clients this server directs.
        identity: Who is who.
        server: The name of this server.
        own_chains: The chains that listen here, as clients reach them by that host.

    Mutable state: `_proving`, whether SCRAM was offered last; any thread may replace it.
    """

    def __init__(
        self,
        chain: ChainSettings,
        buses: Mapping[str, Bus],
        identity: IdentityService,
        directed: Mapping[str, DirectedBus],
        server: str,
        own_chains: Callable[[str], tuple[Place, ...]],
    ) -> None:
        self._chain = chain
        self._buses = buses
        self._directed = directed
        self._identity = identity
        self._server = server
        self._own_chains = own_chains
        self._proving = False

    @property
    def _known(self) -> dict[str, Bus | DirectedBus]:
        """The buses whose clients come here; they may change while this runs."""
        return {**self._directed, **self._buses}

    def mechanisms(self) -> tuple[str, ...]:
        """What is offered: EXTERNAL only where certificates stand for users, since clients would never send a password
        then; SCRAM only where every user can; ANONYMOUS only where some bus takes those who give no name.

        Blocks for the registry; raises nothing. While that does not answer, SCRAM is offered if it was before.
        """
        offered = (EXTERNAL,) if self._chain.certificate_users else ()
        if isinstance(self._identity, ScramIdentities):
            with suppress(ConnectorError):
                self._proving = self._identity.scram_offered()
        if self._proving:
            offered = (*offered, SCRAM)
        return (*offered, PLAIN, *((ANONYMOUS,) if self.takes_nobody() else ()))

    def takes_nobody(self) -> bool:
        """Whether a bus of this chain takes clients who give no name."""
        return any(
            is_permitted(bus.settings.permitted_chains, self._chain)
            and (not bus.access.active or bus.access.allows(_NOBODY, Role.CONNECTOR))
            for bus in self._known.values()
        )

    def authenticate(self, question: Question) -> tuple[Subject, SaslOutcome, str]:
        """The subject of whoever asks, how the exchange ends, and why. Blocks for the registry; raises nothing."""
        if question.mechanism in (ANONYMOUS, NO_SASL):
            return _NOBODY, SaslOutcome.OK, ""
        user = question.user or ""
        try:
            if question.mechanism == EXTERNAL:
                return self._identity.assert_user(user), SaslOutcome.OK, ""
            if question.mechanism == SCRAM:
                assert isinstance(self._identity, ScramIdentities)
                return self._identity.scram_ended(user, proved=bool(question.proved)), SaslOutcome.OK, ""
            assert question.password is not None
            if not self._chain.is_secure:
                _LOG.warning("%s", MessagingError(PASSWORD_IN_THE_OPEN, user=user, chain=self._chain.name))
            return self._identity.authenticate(user, question.password), SaslOutcome.OK, ""
        except AuthenticationFailed as error:
            wrong = error.code in _REFUSED
            outcome = SaslOutcome.AUTHENTICATION_FAILED if wrong else SaslOutcome.SYSTEM_ERROR_TEMPORARY
            return _NOBODY, outcome, error.code
        except ConnectorError as error:
            return _NOBODY, SaslOutcome.SYSTEM_ERROR_TEMPORARY, error.code

    def verifier(self, user: str) -> ScramVerifier | None:
        """What a user's proof is checked by; None where nobody can tell. Blocks for the registry; raises nothing."""
        try:
            return self._identity.scram_verifier(user) if isinstance(self._identity, ScramIdentities) else None
        except ConnectorError:
            return None

    def admit(self, hostname: str | None, subject: Subject, target: str | None, reached: str) -> Bus | Direction:
        """The bus that a client gets onto, or where it gets it. Does not block.

        Args:
            hostname: The bus that it names, if any.
            subject: Who it is.
            target: The chain over which it wants the bus; None where it does not say.
            reached: The host that it has come to.

        Raises NameNotFound CF-BUS-161, AccessDenied CF-BUS-160 (chain), -012 (role) or -462 (policy), SignOnError
        CF-BUS-010, MessagingError CF-BUS-463.
        """
        bus = self._permitted(hostname, subject)
        places: tuple[Place, ...] = self._chain.redirect_to
        if not places:
            if isinstance(bus, Bus) and target in (None, self._chain.name):
                return bus
            places = self._places(bus, target, reached)
        return Direction(bus.name, places[next(_TURNS) % len(places)])

    def _places(self, bus: Bus | DirectedBus, target: str | None, reached: str) -> tuple[Place, ...]:
        settings = bus.settings
        if not settings.bootstrap.may_direct(self._server):
            raise AccessDenied(NOT_DIRECTED, bus=bus.name, policy=settings.bootstrap.policy.value)
        places = places_for(
            self._own_chains(reached) if isinstance(bus, Bus) else (),
            settings.bootstrap.members,
            target=target,
            permitted=settings.permitted_chains,
            secure=self._chain.is_secure,
        )
        if not places:
            wanted = "" if target is None else f", over chain {target[:100]}"
            raise MessagingError(NOWHERE, bus=bus.name, chain=self._chain.name, wanted=wanted)
        return places

    def _permitted(self, hostname: str | None, subject: Subject) -> Bus | DirectedBus:
        bus = self._bus_named(hostname or "")
        self._require_chain(bus)
        if bus.access.active:
            self._require_connector(bus, subject)
        return bus

    def bus_for_link(self, name: str) -> Bus:
        """The bus that a link is for: only the one that it names. Does not block.

        Raises NameNotFound CF-BUS-161, AccessDenied CF-BUS-160.
        """
        bus = self._buses.get(name)
        if bus is None:
            # Which buses there are is not for everybody to know who has an account.
            raise NameNotFound(BUS_NOT_NAMED, named=name[:100], known="others", chain=self._chain.name)
        self._require_chain(bus)
        return bus

    def _require_chain(self, bus: Bus | DirectedBus) -> None:
        permitted = bus.settings.permitted_chains
        if not is_permitted(permitted, self._chain):
            shown = permitted if isinstance(permitted, str) else ", ".join(permitted) or "none"
            raise AccessDenied(CHAIN_NOT_PERMITTED, bus=bus.name, chain=self._chain.name, permitted=shown)

    def _require_connector(self, bus: Bus | DirectedBus, subject: Subject) -> None:
        try:
            bus.access.require(subject, Role.CONNECTOR)
        except AccessDenied as denial:
            if not subject.is_authenticated:
                raise SignOnError(NO_USER, explanation=denial.explanation, bus=bus.name) from None
            raise
        bus.access.connected(subject)

    def _bus_named(self, hostname: str) -> Bus | DirectedBus:
        known = self._known
        found = known.get(hostname)
        if found is None and self._chain.default_bus is not None:
            found = known.get(self._chain.default_bus)
        if found is None and len(known) == 1:
            found = next(iter(known.values()))
        if found is None:
            names, named = ", ".join(sorted(known)) or "none", hostname[:100] or "nothing"
            raise NameNotFound(BUS_NOT_NAMED, named=named, known=names, chain=self._chain.name)
        return found
