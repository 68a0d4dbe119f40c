"""What the pool asks of a plan, and of an adapter without calling the external system."""

from __future__ import annotations

from typing import Any

from connector.pool.entry import Entry
from connector.spi import ManagedConnectionFactory, SignOnPlan


def alias_of(factory: ManagedConnectionFactory, plan: SignOnPlan) -> str | None:
    """The alias of the plan's password credential for this factory, if there is one."""
    credential = plan.subject.password_credential(factory) if plan.subject is not None else None
    return credential.alias if credential is not None else None


def chosen_by(factory: ManagedConnectionFactory, candidates: tuple[Entry, ...], plan: SignOnPlan) -> Entry | None:
    """The candidate that the adapter chooses, or None (Capability.MATCHING). Does not block.

    What is no candidate is no choice. Raises what the adapter raises.
    """
    if not candidates:
        return None
    entries: dict[Any, Entry] = {id(entry.physical): entry for entry in candidates}
    chosen = factory.match(tuple(entry.physical for entry in candidates), plan.subject, plan.request)
    return None if chosen is None else entries.get(id(chosen))
