"""What is told of a decision about an execution subject: to the log and to the audit log (FLOW-3)."""

from __future__ import annotations

import logging

from connector.errors import RegistryUnavailable
from connector.security.domain import SecurityDomain
from connector.spi import AuditEvent, Outcome
from connector.work.inflow_facts import Heard, InflowDecision
from connector.work.inflow_reasons import NOT_ASKED

_log = logging.getLogger("connector.work")


def report(decision: InflowDecision, heard: Heard, domain: SecurityDomain) -> None:
    """Tell of a decision that is more than an asserted caller. Blocks for a line of the audit log; raises nothing."""
    for group in decision.dropped_groups:
        _log.warning("group %r of an inbound caller was dropped: unknown to the caller's realm", group)
    if decision.downgraded:
        _log.warning("realm %s: %s: %s", domain.realm, who_was_named(heard), decision.rule)
    outcome = Outcome.SUCCESS
    if decision.reason is not None:
        outcome = Outcome.FAILURE if decision.reason is NOT_ASKED else Outcome.DENIED
    domain.audit.record(
        AuditEvent(
            "inflow",
            who_was_named(heard),
            f"realm {domain.realm}",
            outcome,
            decision.rule if decision.reason is None else decision.reason.code,
            {
                "subject": None if decision.subject is None else str(decision.subject.caller),
                "explanation": decision.explanation().to_dict(),
            },
        )
    )


def report_outage(error: RegistryUnavailable, heard: Heard, domain: SecurityDomain) -> None:
    """Tell that nothing could be decided: a failure, and a refusal of nobody. Blocks as `report`; raises nothing."""
    where = f"realm {domain.realm}"
    domain.audit.record(AuditEvent("inflow", who_was_named(heard), where, Outcome.FAILURE, error.code))


def who_was_named(heard: Heard) -> str:
    """Whom the security context named, for people: the callers, else what it placed that is no group, else nobody."""
    named = [str(caller) for caller in heard.callers if caller is not None]
    named = named or [str(principal) for principal in heard.placed]
    named = named or [user for user, _ in heard.passwords] or ([heard.undecided[0]] if heard.undecided else [])
    return ", ".join(dict.fromkeys(named)) or "nobody"
