"""Tickets by a service's keytab: the service signs on as itself, whoever calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

from connector.errors import ConnectionFailed
from connector_kerberos.asking import acquire, ask_ticket, load_gssapi
from connector_kerberos.failing import failure_by_keytab
from connector_kerberos.private_cache import file_cache, private_folder


@final
@dataclass(frozen=True, slots=True)
class KeytabTickets:
    """Implements `Tickets`. Each connect gets a ticket of its own, so there is nothing to renew.

    Attributes:
        keytab: The file with the service's keys.
        principal: The service.
    """

    keytab: str
    principal: str

    @property
    def expired(self) -> bool:
        """Never: a key doesn't run out by itself."""
        return False

    @contextmanager
    def cache_for(self, service: str) -> Iterator[str]:
        """See `Tickets`. Blocks for two round trips to the KDC."""
        with private_folder() as folder:
            cache = file_cache(folder, "service")
            failure = self._fill(cache, service)
            if failure is not None:
                raise failure
            yield cache

    def _fill(self, cache: str, service: str) -> ConnectionFailed | None:
        gssapi = load_gssapi()
        try:
            ask_ticket(acquire("initiate", self.principal, self.keytab, cache), service)
        except gssapi.exceptions.GSSError as error:
            return failure_by_keytab(error, self.principal, service, self.keytab)
        return None
