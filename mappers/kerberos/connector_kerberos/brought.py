"""Tickets that a caller brought: what whoever accepted the caller puts into the caller's subject."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, final

from connector.errors import ConnectionFailed
from connector.spi import KerberosCredential
from connector_kerberos.asking import ask_ticket, load_gssapi, write_cache
from connector_kerberos.failing import failure_of
from connector_kerberos.private_cache import file_cache, private_folder


def delegated(credentials: Any) -> KerberosCredential:
    """The caller's ticket for the caller's subject, of no factory in particular.

    Args:
        credentials: python-gssapi's, which accepting the caller's security context has yielded as `delegated_creds`:
            a forwarded ticket, or evidence with which this service may ask for tickets (constrained delegation without
            S4U2Self).

    Does not ask a KDC. Raises GSSError where the credentials are unusable.
    """
    principal = str(credentials.name)
    return KerberosCredential(principal, principal.rpartition("@")[0], BroughtTickets(credentials, principal))


def from_cache(cache: str) -> KerberosCredential:
    """The same from a credential cache, for example `FILE:/run/user/1000/krb5cc`, as it is now.

    Blocks for the file. Raises GSSError where there is none, or nothing valid in it.
    """
    gssapi = load_gssapi()
    return delegated(gssapi.Credentials(usage="initiate", store={"ccache": cache}))


@final
class BroughtTickets:
    """Implements `Tickets` over credentials that python-gssapi holds. Immutable; never shown, pickled or copied.

    Args:
        credentials: The caller's.
        principal: Whose they are.
    """

    __slots__ = ("_credentials", "_principal")

    def __init__(self, credentials: Any, principal: str) -> None:
        self._credentials = credentials
        self._principal = principal

    @property
    def expired(self) -> bool:
        """Whether nothing is left of their lifetime, by this host's clock. Does not block."""
        gssapi = load_gssapi()
        try:
            lifetime = self._credentials.lifetime
        except gssapi.exceptions.ExpiredCredentialsError:
            return True
        return lifetime is not None and lifetime <= 0

    @contextmanager
    def cache_for(self, service: str) -> Iterator[str]:
        """See `Tickets`. Blocks for a round trip to the KDC, unless the ticket for that service is there already."""
        with private_folder() as folder:
            cache = file_cache(folder, "caller")
            failure = self._fill(cache, service)
            if failure is not None:
                raise failure
            yield cache

    def _fill(self, cache: str, service: str) -> ConnectionFailed | None:
        gssapi = load_gssapi()
        try:
            ask_ticket(self._credentials, service)
            write_cache(self._credentials, cache)
        except gssapi.exceptions.GSSError as error:
            return failure_of(error, self._principal, service)
        return None

    def __repr__(self) -> str:
        return f"<BroughtTickets of {self._principal}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("tickets can't be pickled or copied")
