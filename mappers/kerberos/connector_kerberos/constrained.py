"""Tickets for a caller who brought none: the service asks the KDC for them (constrained delegation).

Three requests for each connection that is opened: the service's own ticket by its keytab; a ticket *to the service* in
the caller's name (S4U2Self); with that as evidence a ticket *to the external system* in the caller's name (S4U2Proxy).
The KDC refuses the last one with the same code whatever is missing, so what was got before it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from connector.errors import ConnectionFailed, LoginRefused, Reason
from connector_kerberos.asking import acquire, ask_ticket, load_gssapi, write_cache
from connector_kerberos.failing import failure_by_keytab, failure_of, said_by
from connector_kerberos.private_cache import file_cache, private_folder
from connector_kerberos.refusals import BAD_OPTION, signed
from connector_kerberos.ticket_flags import forwardable_by_server

SERVICE_NOT_FORWARDABLE = Reason(
    "CF-KRB-030",
    "the KDC refused {principal} at {service} to {delegate}, whose own ticket is not forwardable: {said}.",
    "Set forwardable = true under [libdefaults] of krb5.conf, and let the KDC issue it such tickets"
    " (modprinc +allow_forwardable {delegate}).",
)
CALLER_NOT_FORWARDABLE = Reason(
    "CF-KRB-031",
    "the KDC refused {principal} at {service} to {delegate}: the ticket it issued in the caller's name is not"
    " forwardable: {said}.",
    "Either the service lacks the flag ok_to_auth_as_delegate (modprinc +ok_to_auth_as_delegate {delegate}; Active"
    " Directory: any authentication protocol), or the user may not be delegated (-allow_forwardable; Active Directory:"
    " sensitive), and then that is so on purpose.",
)
NOT_ALLOWED_TO = Reason(
    "CF-KRB-032",
    "the KDC refused {principal} at {service} to {delegate}, which may not delegate to that service: {said}.",
    "Add the service to krbAllowedToDelegateTo of {delegate} (Active Directory: msDS-AllowedToDelegateTo); MIT's KDC"
    " needs its LDAP back end for that.",
)

_EVIDENCE: Final = "evidence"
_OWN: Final = "own"


@final
@dataclass(frozen=True, slots=True)
class ConstrainedTickets:
    """Implements `Tickets`. Each connect gets tickets of its own, so there is nothing to renew.

    Attributes:
        keytab: The file with the service's keys.
        delegate: The service that acts for the caller.
        principal: The caller.
    """

    keytab: str
    delegate: str
    principal: str

    @property
    def expired(self) -> bool:
        """Never: the service's key doesn't run out by itself."""
        return False

    @contextmanager
    def cache_for(self, service: str) -> Iterator[str]:
        """See `Tickets`. Blocks for three round trips to the KDC."""
        with private_folder() as folder:
            failure = self._fill(folder, service)
            if failure is not None:
                raise failure
            yield file_cache(folder, _EVIDENCE)

    def _fill(self, folder: Path, service: str) -> ConnectionFailed | None:
        gssapi = load_gssapi()
        try:
            own = acquire("both", self.delegate, self.keytab, file_cache(folder, _OWN))
        except gssapi.exceptions.GSSError as error:
            return failure_by_keytab(error, self.delegate, service, self.keytab)
        evidence = None
        try:
            caller = gssapi.Name(self.principal, gssapi.NameType.kerberos_principal)
            evidence = own.impersonate(caller)
            ask_ticket(evidence, service)
            write_cache(evidence, file_cache(folder, _EVIDENCE))
        except gssapi.exceptions.GSSError as error:
            if evidence is not None and signed(error.min_code) == BAD_OPTION:
                return self._refused(folder, evidence, service, said_by(error))
            return failure_of(error, self.principal, service)
        return None

    def _refused(self, folder: Path, evidence: Any, service: str, said: str) -> LoginRefused:
        write_cache(evidence, file_cache(folder, _EVIDENCE))
        own = forwardable_by_server((folder / _OWN).read_bytes())
        in_name = forwardable_by_server((folder / _EVIDENCE).read_bytes())
        reason = what_is_missing(own, in_name, self.delegate)
        return LoginRefused(reason, principal=self.principal, service=service, delegate=self.delegate, said=said)


def what_is_missing(own: dict[str, bool], in_name: dict[str, bool], delegate: str) -> Reason:
    """Why delegation was refused, by the flags of the tickets that were got before. Pure.

    Args:
        own: The service's own tickets: server → whether forwardable.
        in_name: Those in the caller's name.
        delegate: The service.
    """
    if not all(forwardable for server, forwardable in own.items() if server.startswith("krbtgt/")):
        return SERVICE_NOT_FORWARDABLE
    if not in_name.get(delegate, True):
        return CALLER_NOT_FORWARDABLE
    return NOT_ALLOWED_TO
