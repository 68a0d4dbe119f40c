"""A caller whom somebody outside has authenticated, admitted by the one rule of inbound identities (FLOW-3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from connector.security.domain import SecurityDomain
from connector.spi import (
    CallbackHandler,
    CallerPrincipalCallback,
    GroupPrincipal,
    GroupPrincipalCallback,
    Principal,
    SecurityContext,
    Subject,
)
from connector.work.inflow_handler import establish_subject


def establish(caller: Principal, groups: Iterable[str], identity: SecurityDomain) -> Subject:
    """The caller's subject, decided as a work's is. May block for the registry.

    Raises SubjectRejected, and AuthenticationFailed where the registry can't be reached.
    """
    # The own realm is asked even where the deployer lists it among the trusted ones: it knows its users.
    ready = caller.realm != identity.realm and caller.realm in identity.trusted_realms
    decision = establish_subject(_AuthenticatedElsewhere(caller, tuple(groups), ready=ready), identity)
    assert decision.subject is not None  # else it has raised
    return decision.subject


@final
class _AuthenticatedElsewhere(SecurityContext):
    """What an adapter would say of such a caller: the trusted realm's subject as it is, else a name and its groups."""

    def __init__(self, caller: Principal, groups: tuple[str, ...], *, ready: bool) -> None:
        self._caller = caller
        self._groups = groups
        self._ready = ready

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        """Speak once."""
        if self._ready:
            execution_subject.add_principal(self._caller)
            for group in self._groups:
                execution_subject.add_principal(GroupPrincipal(group, self._caller.realm))
            return
        callbacks = [CallerPrincipalCallback(execution_subject, self._caller)]
        handler.handle([*callbacks, GroupPrincipalCallback(execution_subject, self._groups)])
