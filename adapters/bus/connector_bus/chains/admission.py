"""Who gets in over a chain, and onto which bus: one stable code for each refusal (CHAIN-2, CHAIN-5)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import final

from connector.errors import AccessDenied, AuthenticationFailed, ConnectorError, NameNotFound, Reason, SignOnError
from connector.spi import IdentityService, Subject
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.sign_on import NO_USER
from connector_bus.chains.sasl import ANONYMOUS, EXTERNAL, NO_SASL, PLAIN, Question
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

_LOG = logging.getLogger("connector_bus.chains")
_NOBODY = Subject.unauthenticated()
#: The codes of the registry that are about user and password; anything else is an outage.
_REFUSED = frozenset({"CF-SEC-010", "CF-SEC-011"})


@final
class Admission:
    """Decides for the clients of one chain. Safe to use from any thread; `authenticate` may block for the registry.

    Args:
        chain: The chain.
        buses: The buses of this server by name.
        identity: Who is who.
    """

    def __init__(self, chain: ChainSettings, buses: Mapping[str, Bus], identity: IdentityService) -> None:
        self._chain = chain
        self._buses = buses
        self._identity = identity

    def mechanisms(self) -> tuple[str, ...]:
        """What is offered: EXTERNAL only where certificates stand for users, since clients would never send a password
        then; ANONYMOUS only where some bus takes those who give no name.
        """
        offered = (EXTERNAL,) if self._chain.certificate_users else ()
        return (*offered, PLAIN, *((ANONYMOUS,) if self.takes_nobody() else ()))

    def takes_nobody(self) -> bool:
        """Whether a bus of this chain takes clients who give no name."""
        return any(
            is_permitted(bus.settings.permitted_chains, self._chain)
            and (not bus.access.active or bus.access.allows(_NOBODY, Role.CONNECTOR))
            for bus in self._buses.values()
        )

    def authenticate(self, question: Question) -> tuple[Subject, SaslOutcome, str]:
        """The subject of whoever asks, how the exchange ends, and why. Blocks for the registry; raises nothing."""
        if question.mechanism in (ANONYMOUS, NO_SASL):
            return _NOBODY, SaslOutcome.OK, ""
        user = question.user or ""
        try:
            if question.mechanism == EXTERNAL:
                return self._identity.assert_user(user), SaslOutcome.OK, ""
            assert question.password is not None
            if not self._chain.is_secure:
                _LOG.warning("%s", PASSWORD_IN_THE_OPEN.text.format(user=user, chain=self._chain.name))
            return self._identity.authenticate(user, question.password), SaslOutcome.OK, ""
        except AuthenticationFailed as error:
            wrong = error.code in _REFUSED
            outcome = SaslOutcome.AUTHENTICATION_FAILED if wrong else SaslOutcome.SYSTEM_ERROR_TEMPORARY
            return _NOBODY, outcome, error.code
        except ConnectorError as error:
            return _NOBODY, SaslOutcome.SYSTEM_ERROR_TEMPORARY, error.code

    def bus_for(self, hostname: str | None, subject: Subject) -> Bus:
        """The bus that a client gets onto. Does not block.

        Raises NameNotFound CF-BUS-161, AccessDenied CF-BUS-160 (chain) or -012 (role), SignOnError CF-BUS-010.
        """
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

    def _require_chain(self, bus: Bus) -> None:
        permitted = bus.settings.permitted_chains
        if not is_permitted(permitted, self._chain):
            shown = permitted if isinstance(permitted, str) else ", ".join(permitted) or "none"
            raise AccessDenied(CHAIN_NOT_PERMITTED, bus=bus.name, chain=self._chain.name, permitted=shown)

    def _require_connector(self, bus: Bus, subject: Subject) -> None:
        try:
            bus.access.require(subject, Role.CONNECTOR)
        except AccessDenied as denial:
            if not subject.is_authenticated:
                raise SignOnError(NO_USER, explanation=denial.explanation, bus=bus.name) from None
            raise
        bus.access.connected(subject)

    def _bus_named(self, hostname: str) -> Bus:
        found = self._buses.get(hostname)
        if found is None and self._chain.default_bus is not None:
            found = self._buses.get(self._chain.default_bus)
        if found is None and len(self._buses) == 1:
            found = next(iter(self._buses.values()))
        if found is None:
            known = ", ".join(sorted(self._buses)) or "none"
            raise NameNotFound(BUS_NOT_NAMED, named=hostname[:100] or "nothing", known=known, chain=self._chain.name)
        return found
