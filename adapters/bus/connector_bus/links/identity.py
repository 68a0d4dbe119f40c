"""Whose a message is once it has crossed a link: the outbound and the inbound user, and what is believed (BUS-9).

Pure.
"""

from __future__ import annotations

from collections.abc import Collection

from connector.spi import UNAUTHENTICATED, Principal, UnauthenticatedPrincipal, UserPrincipal


def leaving_as(identity: Principal, outbound_user: str | None, realm: str) -> Principal:
    """The identity that a message leaves with: the link's outbound user, if it has one, else its own."""
    return identity if outbound_user is None else UserPrincipal(outbound_user, realm)


def arriving_as(
    identity: Principal,
    inbound_user: str | None,
    *,
    secured: bool,
    authenticated: bool,
    realm: str,
    trusted_realms: Collection[str],
) -> tuple[Principal, str]:
    """The identity that a message has on the bus where it arrives, and why, where it isn't the one that came.

    Args:
        identity: As it came.
        inbound_user: The link's inbound user, if it has one.
        secured: Whether the security of this bus is in force; else no message carries a name (BUS-4).
        authenticated: Whether the engine at the other end is; what another one says of identities counts for nothing.
        realm: This container's own realm.
        trusted_realms: Further realms whose users are believed to be who they are said to be.
    """
    if not secured:
        return UNAUTHENTICATED, "no role is checked, and no identity kept"
    if inbound_user is not None:
        return UserPrincipal(inbound_user, realm), "inbound_user of the link"
    if isinstance(identity, UnauthenticatedPrincipal):
        return UNAUTHENTICATED, ""
    if not authenticated:
        return UNAUTHENTICATED, "the engine that sends is not authenticated"
    if identity.realm == realm or identity.realm in trusted_realms:
        return identity, ""
    return UNAUTHENTICATED, f"realm {identity.realm} is not trusted"
