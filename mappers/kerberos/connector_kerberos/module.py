"""The Kerberos mapping: who is calling becomes a sign-on by ticket (SIGN-5, SIGN-6)."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any, ClassVar, final

from connector.errors import Reason
from connector.spi import (
    CallbackHandler,
    CallerSubjectCallback,
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
class KerberosMappingModule:
    """Yields one credential of mechanism `Kerbv5`. It asks no KDC: tickets are obtained where a connection is opened.

    Options and mapping properties: see `KerberosSettings`. Made anew for each login; used on one thread.
    """

    #: What a caller brought counts for one source only, but the declaration is the class's: it names the most.
    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.CALLER, Dependency.CREDENTIALS})

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Get ready; the options are the defaults of the mapping properties."""
        self._subject = subject
        self._handler = callback_handler
        self._options = options
        # Mutable: what `login` found, until `commit` puts it into the subject and `abort` or `logout` take it out.
        self._credential: KerberosCredential | None = None

    def login(self) -> bool:
        """Find out whose tickets. Does not block.

        Raises:
            LoginFailed: a setting that is wrong; a caller who can't be signed on by ticket.
        """
        properties = MappingPropertiesCallback()
        target = ManagedConnectionFactoryCallback()
        caller = CallerSubjectCallback()
        self._handler.handle([properties, target, caller])
        settings = read_settings(self._options, properties.properties)
        if settings.source is Source.KEYTAB:
            tickets = KeytabTickets(settings.keytab, settings.principal)
            user = settings.user_of(settings.principal)
            self._credential = KerberosCredential(settings.principal, user, tickets, target.factory)
        elif settings.source is Source.CONSTRAINED:
            self._credential = _constrained(settings, _user(settings, caller.subject), target.factory)
        else:
            user_principal = _user(settings, caller.subject)
            assert caller.subject is not None
            brought = _brought(caller.subject, user_principal)
            user = settings.user_of(brought.principal)
            self._credential = replace(brought, user=user, factory=target.factory)
        return True

    def commit(self) -> bool:
        """Put the credential into the subject; False if `login` had not succeeded."""
        if self._credential is None:
            return False
        self._subject.add_credential(self._credential)
        return True

    def abort(self) -> bool:
        """Forget the credential, also where it has been committed."""
        return self.logout()

    def logout(self) -> bool:
        """Take the credential out of the subject. True if there was one."""
        credential, self._credential = self._credential, None
        if credential is None:
            return False
        if not self._subject.is_read_only:
            self._subject.remove_credential(credential)
        return True


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
