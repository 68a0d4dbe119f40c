"""The Kerberos mapping: who is calling becomes a sign-on by ticket (SIGN-5, SIGN-6)."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

from connector.errors import Reason
from connector.spi import (
    CallerSubjectCallback,
    CredentialLoginModule,
    Dependency,
    KerberosCredential,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    Subject,
    UserPrincipal,
)
from connector_kerberos.constrained import ConstrainedTickets
from connector_kerberos.keytab import KeytabTickets
from connector_kerberos.refusing import login_failed
from connector_kerberos.settings import KerberosSettings, Source, read_settings

NO_CALLER = Reason(
    "CF-KRB-002",
    "there is no authenticated user to sign on by ticket",
    "Log in; only the source `keytab` signs on whoever calls.",
)
WRONG_REALM = Reason(
    "CF-KRB-003",
    "the caller {caller} is not of the realm {realm!r}",
    "Call as a user of that realm, or change the setting `caller_realm`.",
)
NO_TICKET = Reason(
    "CF-KRB-004",
    "the caller {caller} brought no ticket that can be passed on",
    "Let the client delegate: a forwardable ticket (kinit -f), and the service trusted for delegation (ok_as_delegate);"
    " or use the source `constrained`.",
)
TICKET_EXPIRED = Reason(
    "CF-KRB-005",
    "the ticket that the caller {caller} brought has expired",
    "Let the caller log in again; connections that are in use go on.",
)
SOMEBODY_ELSES = Reason(
    "CF-KRB-006",
    "the caller {caller} brought a ticket of {principal}",
    "Report it to whoever authenticated the caller: name and ticket have to be one user's.",
)
NAME_UNFIT = Reason(
    "CF-KRB-007",
    "the caller's name {name!r} can't be a principal's",
    "Map such callers by another login configuration: a name may hold no @, no / and no backslash.",
)


@final
class KerberosMappingModule(CredentialLoginModule):
    """Yields one credential of mechanism `Kerbv5`. It asks no KDC: tickets are obtained where a connection is opened.

    Options and mapping properties: see `KerberosSettings`. Made anew for each login; used on one thread.
    """

    #: What a caller brought counts for one source only, but the declaration is the class's: it names the most.
    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.CALLER, Dependency.CREDENTIALS})

    def find(self) -> tuple[KerberosCredential, ...]:
        """Find out whose tickets. Does not block.

        Raises:
            LoginFailed: a setting that is wrong; a caller who can't be signed on by ticket.
        """
        properties = MappingPropertiesCallback()
        target = ManagedConnectionFactoryCallback()
        caller = CallerSubjectCallback()
        self.ask(properties, target, caller)
        settings = read_settings(self.options, properties.properties)
        if settings.source is Source.KEYTAB:
            tickets = KeytabTickets(settings.keytab, settings.principal)
            user = settings.user_of(settings.principal)
            return (KerberosCredential(settings.principal, user, tickets, target.factory),)
        if settings.source is Source.CONSTRAINED:
            return (_constrained(settings, _user(settings, caller.subject), target.factory),)
        user_principal = _user(settings, caller.subject)
        assert caller.subject is not None
        brought = _brought(caller.subject, user_principal)
        return (replace(brought, user=settings.user_of(brought.principal), factory=target.factory),)


def _user(settings: KerberosSettings, caller: Subject | None) -> UserPrincipal:
    principal = caller.caller if caller is not None else None
    # Only a user has tickets: not the container's own work, and not nobody in particular.
    if not isinstance(principal, UserPrincipal) or not principal.name:
        raise login_failed(NO_CALLER)
    if settings.caller_realm is not None and principal.realm != settings.caller_realm:
        raise login_failed(WRONG_REALM, caller=principal, realm=settings.caller_realm)
    return principal


def _brought(caller: Subject, user: UserPrincipal) -> KerberosCredential:
    """The ticket that the caller brought. Raises LoginFailed: none, somebody else's, or run out."""
    found = next((one for one in caller.credentials_of(KerberosCredential) if one.factory is None), None)
    if found is None:
        raise login_failed(NO_TICKET, caller=user)
    if user.name not in (found.principal, found.principal.rpartition("@")[0]):
        raise login_failed(SOMEBODY_ELSES, caller=user, principal=found.principal)
    if found.tickets.expired:
        raise login_failed(TICKET_EXPIRED, caller=user)
    return found


def _constrained(settings: KerberosSettings, user: UserPrincipal, factory: object) -> KerberosCredential:
    # A name with its own realm, or of several parts, would be another principal than the one of this realm.
    if any(mark in user.name for mark in "@/\\") or not user.name.isprintable():
        raise login_failed(NAME_UNFIT, name=user.name)
    principal = f"{user.name}@{settings.realm}"
    tickets = ConstrainedTickets(settings.keytab, settings.principal, principal)
    return KerberosCredential(principal, settings.user_of(principal), tickets, factory)
