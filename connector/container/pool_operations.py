"""A running container's pools for whoever operates them: look at them, purge them, with an audit event (POOL-6)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, final

from connector.container.naming import unknown
from connector.container.resources import Resource
from connector.pool.statistics import PooledConnection, PoolStatistics
from connector.security.scope import CURRENT_SCOPE
from connector.spi import AuditEvent, AuditLog, Outcome

if TYPE_CHECKING:
    from connector.container.startup import Parts

#: Who purges where nobody has logged in: code of the container's own process, or a command that the endpoint let in.
SERVER = "server"


@final
@dataclass(frozen=True, slots=True)
class PurgeReport:
    """What a purge did, or would do.

    Attributes:
        resource: The pool's resource.
        dry_run: Whether nothing was done.
        closed: Free connections that were closed, or would be.
        on_return: Connections on loan, which are closed when they come back, or would be.
    """

    resource: str
    dry_run: bool
    closed: int
    on_return: int

    def to_dict(self) -> dict[str, Any]:
        """The same for programs."""
        return asdict(self)


@final
class OperatedPool:
    """One resource's pool as `Container.pool` answers it. Safe to use from any thread; it holds nothing itself.

    Args:
        resource: Whose.
        audit: Where purges are recorded.
    """

    def __init__(self, resource: Resource, audit: AuditLog) -> None:
        self._resource = resource
        self._audit = audit

    @property
    def resource(self) -> str:
        """The resource's global name, which is the pool's as well."""
        return self._resource.name

    @property
    def adapter(self) -> str:
        """The adapter that opens its connections."""
        return self._resource.adapter

    def statistics(self) -> PoolStatistics:
        """The figures of this instant: an immutable snapshot. Does not block, except for closing abandoned leases."""
        return self._resource.pool.statistics()

    def contents(self) -> tuple[PooledConnection, ...]:
        """The connections of this instant, by user. Does not block, except for closing abandoned leases."""
        return self._resource.pool.contents()

    def purge(self, *, dry_run: bool = False) -> PurgeReport:
        """Take out all connections: free ones are closed now, lent ones when they come back. The pool goes on.

        Blocks for closing the free ones. Records `pool.purge` in the audit log, with who is the caller on this thread
        or task. Raises nothing.

        Args:
            dry_run: Only say what would go; nothing is done and nothing recorded.
        """
        if dry_run:
            connections = self.contents()
            lent = sum(connection.in_use for connection in connections)
            return PurgeReport(self.resource, dry_run=True, closed=len(connections) - lent, on_return=lent)
        closed = self._resource.pool.purge()
        # Counted afterwards: what has come back since is closed already, and what was lent since is new and stays.
        on_return = sum(connection.in_use and connection.doomed is not None for connection in self.contents())
        details = {"closed": closed, "on_return": on_return}
        self._audit.record(AuditEvent("pool.purge", _caller(), self.resource, Outcome.SUCCESS, "asked for", details))
        return PurgeReport(self.resource, dry_run=False, closed=closed, on_return=on_return)

    def to_dict(self) -> dict[str, Any]:
        """Figures and contents as plain data, without secrets: see `PoolStatistics.to_dict` for the names."""
        statistics = self.statistics()
        return {
            "resource": self.resource,
            "adapter": self.adapter,
            "statistics": _figures(statistics),
            "measurements": statistics.to_dict(self.resource),
            "connections": [{**asdict(one), "obtained": list(one.obtained)} for one in self.contents()],
        }

    def __repr__(self) -> str:
        return f"<OperatedPool {self.resource}>"


def operated_pool(parts: Parts, name: str) -> OperatedPool:
    """The pool behind a resource, or behind a reference as `application:reference`. Raises NameNotFound."""
    application, separator, reference = name.partition(":")
    resource = parts.resources.get(name)
    if resource is None and separator and application in parts.applications:
        resource = parts.resources[parts.applications[application].manager(reference).resource]
    if resource is None:
        raise unknown("pool", name, "this container", parts.resources)
    return OperatedPool(resource, parts.audit)


def _caller() -> str:
    scope = CURRENT_SCOPE.get()
    return SERVER if scope is None or scope.subject.caller is None else str(scope.subject.caller)


def _figures(statistics: PoolStatistics) -> dict[str, Any]:
    """By our own names; of what is counted by something the counts by identity only, the rest are `measurements`."""
    numbers = {field.name: getattr(statistics, field.name) for field in fields(statistics)}
    plain = {name: value for name, value in numbers.items() if isinstance(value, int | float)}
    return {**plain, "by_identity": dict(statistics.by_identity)}
