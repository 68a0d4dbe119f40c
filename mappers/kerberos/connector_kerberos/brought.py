"""Tickets that a caller brought: what whoever accepted the caller puts into the caller's subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, final

from connector.errors import ConnectionFailed, LoginRefused, Reason
from connector.spi import KerberosCredential
from connector_kerberos.asking import ask_ticket, load_gssapi, read_cache, write_cache
from connector_kerberos.failing import failure_of, said_by
from connector_kerberos.private_cache import file_cache, private_folder

CACHE_UNUSABLE = Reason(
    "CF-KRB-011",
    "the credential cache {cache} can't be used: {said}.",
    "Let the user log in (kinit), or correct the name of the cache.",
)
SOMEBODY_ELSE_NOW = Reason(
    "CF-KRB-012",
    "the credential cache that {principal} brought holds tickets of {found} now.",
    "A cache must go on being one user's; let {principal} log in again.",
)


def delegated(credentials: Any) -> KerberosCredential:
    """The caller's ticket for the caller's subject, of no factory in particular.

    Args:
        credentials: python-gssapi's, which accepting the caller's security context has yielded as `delegated_creds`:
            a forwarded ticket, or evidence with which this service may ask for tickets (constrained delegation without
            S4U2Self).

    Does not ask a KDC. Raises GSSError where the credentials are unusable.
    """
    return _credential(str(credentials.name), lambda: credentials)


def from_cache(cache: str) -> KerberosCredential:
    """The same from a credential cache, for example `FILE:/run/user/1000/krb5cc`, which somebody may renew in place.

    Blocks for the file. Raises ConnectionFailed where there is none, or nothing valid in it.
    """
    gssapi = load_gssapi()
    try:
        principal = str(read_cache(cache).name)
    except gssapi.exceptions.GSSError as error:
        raise ConnectionFailed(CACHE_UNUSABLE, cache=cache, said=said_by(error)) from error
    return _credential(principal, lambda: read_cache(cache))


def _credential(principal: str, held: Callable[[], Any]) -> KerberosCredential:
    return KerberosCredential(principal, principal.rpartition("@")[0], BroughtTickets(held, principal))


@final
class BroughtTickets:
    """Implements `Tickets` over credentials that python-gssapi holds. Immutable; never shown, pickled or copied.

    Args:
        held: Answers the caller's credentials as they are now; may raise GSSError.
        principal: Whose they are.
    """

    __slots__ = ("_held", "_principal")

    def __init__(self, held: Callable[[], Any], principal: str) -> None:
        self._held = held
        self._principal = principal

    @property
    def expired(self) -> bool:
        """Whether nothing is left of their lifetime, by this host's clock. Blocks for a file at most."""
        gssapi = load_gssapi()
        try:
            lifetime = self._held().lifetime
        except gssapi.exceptions.ExpiredCredentialsError:
            return True
        except gssapi.exceptions.GSSError:
            return False  # something else is wrong with them: what, is told where they are needed
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
            credentials = self._held()
            found = str(credentials.name)
            if found != self._principal:
                return LoginRefused(SOMEBODY_ELSE_NOW, principal=self._principal, found=found)
            ask_ticket(credentials, service)
            write_cache(credentials, cache)
        except gssapi.exceptions.GSSError as error:
            return failure_of(error, self._principal, service)
        return None

    def __repr__(self) -> str:
        return f"<BroughtTickets of {self._principal}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("tickets can't be pickled or copied")
