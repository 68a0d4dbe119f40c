"""Who may open a link with a bus: the first of the two stages (BUS-9, BUS-14)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

from connector.errors import ConnectorError, LoginRefused, Reason
from connector.spi import AuthenticationData, IdentityService
from connector_bus.engine.engine import BusEngine
from connector_bus.links.peer import NetworkPeer
from connector_bus.links.transfer import Login
from connector_bus.settings import LinkSettings, LinkTransport

NOT_LINKED = Reason(
    "CF-BUS-202",
    "bus {bus} has no link with bus {peer}",
    'Both buses define the link: add [buses."{bus}".foreign_buses."{peer}".link] there.',
)
WRONG_USER = Reason(
    "CF-BUS-203",
    "the engine of bus {peer} presents another user than the link of bus {bus} is for",
    "The authentication aliases of both ends name the same user; or certificate_user whom the certificate stands for.",
)
LINK_REFUSED = Reason(
    "CF-BUS-204",
    "the engine of bus {peer} could not sign on to bus {bus}: {cause}",
    "Correct the authentication alias of the link.",
)
OTHER_TRANSPORT = Reason(
    "CF-BUS-440",
    "the link of bus {bus} with bus {peer} is not one that comes over the network",
    'Set transport = "chain" and the endpoints of bus {peer} in [buses."{bus}".foreign_buses."{peer}".link].',
)
PLAIN_REFUSED = Reason(
    "CF-BUS-441",
    "bus {bus} is secured, and takes the link from bus {peer} over a chain with TLS only",
    "Name a chain with TLS on the other side; or set allow_plain = true on both, where nobody can listen.",
)
ALIAS_NEEDED = Reason(
    "CF-BUS-442",
    "bus {bus} is secured, and its link with bus {peer} comes over the network without authentication alias",
    "Give both ends of the link an alias, with the same user.",
)
CERTIFICATE_NEEDED = Reason(
    "CF-BUS-535",
    "bus {bus} takes the link from bus {peer} by certificate only, and it has signed on by something else",
    "Give the link on bus {peer} certificate_user in place of its alias; or this one an alias.",
)


@final
class LinkDoor:
    """The door of one bus. Immutable, safe to use from any thread.

    Args:
        engine: The engine.
        identity: Who is who.
        authentication_data: User and password of an alias.
    """

    def __init__(
        self,
        engine: BusEngine,
        identity: IdentityService,
        authentication_data: Callable[[str], AuthenticationData],
    ) -> None:
        self._engine = engine
        self._identity = identity
        self._authentication_data = authentication_data

    def link_with(self, peer: str) -> LinkSettings:
        """The settings of the link with a bus, as they are now. Raises LoginRefused CF-BUS-202."""
        way = self._engine.ways.ways.get(peer)
        if way is None or way.link is None:
            raise LoginRefused(NOT_LINKED, bus=self._engine.name, peer=peer)
        return way.link

    def authenticate(self, login: Login) -> bool:
        """Whether the engine at the other end is authenticated. Both ends present the same user.

        Blocks for the registry. Raises LoginRefused CF-BUS-202 to -204.
        """
        link = self.link_with(login.bus)
        if not self._engine.access.active or link.alias is None:
            return False
        place = {"bus": self._engine.name, "peer": login.bus}
        if login.user is None or login.user != self._expected(link.alias, place) or login.password is None:
            raise LoginRefused(WRONG_USER, **place)
        try:
            self._identity.authenticate(login.user, login.password)
        except ConnectorError as error:
            raise LoginRefused(LINK_REFUSED, cause=error.code, **place) from error
        return True

    def authenticate_from_network(self, login: Login, peer: NetworkPeer) -> bool:
        """Whether the engine is authenticated that has come over a chain, and signed on there.

        Raises LoginRefused CF-BUS-202 to -204, -440 to -442, -535.
        """
        link = self.link_with(login.bus)
        place = {"bus": self._engine.name, "peer": login.bus}
        if link.transport is not LinkTransport.CHAIN:
            raise LoginRefused(OTHER_TRANSPORT, **place)
        if not self._engine.access.active:
            return False
        if link.alias is None and link.certificate_user is None:
            raise LoginRefused(ALIAS_NEEDED, **place)
        if not peer.secure and not link.allow_plain:
            raise LoginRefused(PLAIN_REFUSED, **place)
        if link.certificate_user is not None and not peer.by_certificate:
            raise LoginRefused(CERTIFICATE_NEEDED, **place)
        expected = link.certificate_user or self._expected(link.alias or "", place)
        if peer.user is None or peer.user != expected:
            raise LoginRefused(WRONG_USER, **place)
        return True

    def _expected(self, alias: str, place: Mapping[str, str]) -> str:
        """The user that the other end has to present: our own of the link. Raises LoginRefused CF-BUS-204."""
        try:
            return self._authentication_data(alias).user
        except ConnectorError as error:
            raise LoginRefused(LINK_REFUSED, cause=error.code, **place) from error
