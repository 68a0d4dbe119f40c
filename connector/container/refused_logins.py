"""Credentials that an external system refuses: told where no borrower is, shown until they are right (AUTHD-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.errors import LoginRefused
from connector.pool.choosing import alias_of
from connector.pool.shell import UnheardRefusal
from connector.pool.statistics import RefusedLogin
from connector.spi import AuditEvent, AuditLog, AuthenticationData, ManagedConnectionFactory, Outcome, SignOnPlan

#: Who tried: the pool, for whoever would have used the connection.
SERVER = "server"


def unheard_refusals(resource: str, factory: ManagedConnectionFactory, audit: AuditLog) -> UnheardRefusal:
    """What records in the audit log the refused logins that no borrower hears of, since others serve on.

    One event for each login that was tried, which the pool's back-off makes few. Those that a borrower hears of the
    connection manager records, with the caller.
    """

    def record(plan: SignOnPlan, error: LoginRefused) -> None:
        details = {
            "reference": plan.reference,
            "user": plan.user,
            "alias": alias_of(factory, plan),
            "version": plan.version,
            "decision": "connections that were signed on before serve on; it is tried again after the back-off",
        }
        audit.record(AuditEvent("connect", SERVER, resource, Outcome.FAILURE, error.code, details))

    return record


def still_wrong(
    refused: tuple[RefusedLogin, ...], in_force: Mapping[str, AuthenticationData]
) -> tuple[RefusedLogin, ...]:
    """Those that are a deployer's to put right: of an alias, with the version in force; one line for each. Pure."""
    wrong: dict[tuple[str, int], RefusedLogin] = {}
    for one in refused:
        data = in_force.get(one.alias) if one.alias is not None else None
        if one.alias is not None and data is not None and data.version == one.version:
            known = wrong.get((one.alias, one.version))
            if known is None or known.failures < one.failures:
                wrong[one.alias, one.version] = one
    return tuple(wrong.values())


def as_data(refused: RefusedLogin) -> dict[str, Any]:
    """For `status`: plain data without secrets."""
    return {"alias": refused.alias, "user": refused.user, "version": refused.version, "failures": refused.failures}
