"""A running container's pools for whoever operates them: look at, flush, resize, suspend them; audited (POOL-6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, final

from connector.container.naming import unknown
from connector.container.operator_audit import recorded
from connector.container.pool_changes import UNCHANGED, check_mode, flush, resize
from connector.container.pool_kinds import PoolKind, contents_of, figures_of, longest_lent, measured, together
from connector.container.pool_reports import FlushOutcome, LendingOutcome, ResizeOutcome
from connector.container.pool_view import identities, plain_connection, plain_figures, settings_in_force
from connector.container.resources import Resource, fill
from connector.pool.flushing import FlushChoice, FlushMode
from connector.pool.measurements import by_name
from connector.pool.statistics import PooledConnection, PoolStatistics
from connector.spi import AuditLog

if TYPE_CHECKING:
    from connector.container.parts import Parts


@final
class OperatedPool:
    """One resource's pools as `Container.pool` answers them: that for threads, and those of asyncio loops.

    Safe to use from any thread; it holds nothing itself. What changes something is recorded in the audit log, with who
    is the caller on this thread or task, what was asked, what became of it and why; a refusal with its code.

    Args:
        resource: Whose.
        audit: Where operations are recorded.
        keep_minimum: Has `min_size` connections opened soon, where the resource signs on without a caller.
    """

    def __init__(self, resource: Resource, audit: AuditLog, keep_minimum: Callable[[], None] = lambda: None) -> None:
        self._resource = resource
        self._audit = audit
        self._keep_minimum = keep_minimum

    @property
    def resource(self) -> str:
        """The resource's global name, which is the pool's as well."""
        return self._resource.name

    @property
    def adapter(self) -> str:
        """The adapter that opens its connections."""
        return self._resource.adapter

    # --- looking ----------------------------------------------------------------------------------------------------

    def statistics(self, kind: PoolKind | None = None) -> PoolStatistics:
        """The figures of this instant: an immutable snapshot. Does not block, except for closing abandoned leases.

        Args:
            kind: Of the pool for threads, or of those of the asyncio loops together; None: of all together. The limits
                are sums as well: each loop may have `max_size` connections of its own.
        """
        return together(one for other, one in figures_of(self._resource) if kind in (None, other))

    def contents(self, kind: PoolKind | None = None) -> tuple[PooledConnection, ...]:
        """The connections of this instant, by user. Does not block, except for closing abandoned leases.

        Args:
            kind: Those for threads, or those of asyncio loops; None: all, those for threads first.
        """
        return tuple(one for other, one in contents_of(self._resource) if kind in (None, other))

    def leaks(self) -> tuple[PooledConnection, ...]:
        """The lent connections, the one that is lent the longest first, each with where it was obtained, if that was
        recorded (`leak_trace`). Does not block, except for closing abandoned leases.
        """
        return tuple(one for _, one in longest_lent(contents_of(self._resource)))

    def to_dict(self, *, leaks: bool = False) -> dict[str, Any]:
        """Settings in force, figures, identities and contents as plain data, without secrets. Blocks as `contents`.

        Args:
            leaks: `connections` are the lent ones only, the one that is lent the longest first; else all, by user.
        """
        figures = figures_of(self._resource)
        threads = figures[0][1]
        contents = contents_of(self._resource)
        return {
            "resource": self.resource,
            "adapter": self.adapter,
            "suspended": threads.suspended,
            "settings": settings_in_force(self._resource.pool.settings, threads),
            "statistics": [plain_figures(kind, one) for kind, one in figures],
            "identities": identities(figures),
            "connections": [plain_connection(*one) for one in (longest_lent(contents) if leaks else contents)],
            "measurements": by_name(measured(self._resource)),
        }

    # --- operating --------------------------------------------------------------------------------------------------

    def purge(self, *, dry_run: bool = False) -> FlushOutcome:
        """Short for `flush()`: all connections go, free ones now, lent ones when they come back; the pool goes on.

        Blocks and raises as `flush`.
        """
        return self.flush(dry_run=dry_run)

    def flush(
        self,
        mode: FlushMode | Literal["idle", "invalid", "gracefully", "all"] = FlushMode.GRACEFULLY,
        *,
        user: str | None = None,
        alias: str | None = None,
        below_version: int | None = None,
        dry_run: bool = False,
    ) -> FlushOutcome:
        """Take connections out, of the pool for threads and of those of all loops; the pools go on with new ones.

        Blocks for closing and, with `INVALID`, for validating the threads' ones; loops do theirs soon, on their own.

        Args:
            mode: Which of the chosen ones, and when; see `FlushMode`. All but `ALL` interrupt nobody's work.
            user: Only those signed on as this user, or lent to work as it.
            alias: Only those signed on by this authentication alias.
            below_version: Only those signed on with an older version of their credential. Each alias counts for
                itself, and what has none has version 0: name the alias as well.
            dry_run: Only say what would be done; nothing is done and nothing recorded.

        Raises ConfigError for `INVALID` where the adapter can't validate (CF-CTR-036) or while the pool is suspended
        (CF-CTR-037), ValueError for another text than the four.
        """
        mode = FlushMode(mode)
        chosen = FlushChoice(user, alias, below_version)
        if dry_run:
            check_mode(self._resource, mode)
            return flush(self._resource, mode, chosen, dry_run=True)
        asked = {"user": user, "alias": alias, "below_version": below_version}
        details = {"mode": mode.value, **{name: value for name, value in asked.items() if value is not None}}
        with recorded(self._audit, "pool.purge", self.resource, details):
            check_mode(self._resource, mode)
            outcome = flush(self._resource, mode, chosen, dry_run=False)
            details |= {name: getattr(outcome, name) for name in ("closed", "on_return", "ended", "kept", "asked")}
        return outcome

    def resize(
        self, max_size: int | None = None, min_size: int | None = None, per_identity: int | None = UNCHANGED
    ) -> ResizeOutcome:
        """Change the sizes of the pool for threads and of those of all loops, later ones included; now, and until the
        container stops: the configuration stays as it is.

        Blocks for closing free connections beyond the new size; lent ones are closed when they come back.

        Args:
            max_size: Connections at most, in each pool; None leaves it.
            min_size: Connections that are kept; None leaves it. Missing ones are opened soon, where the resource signs
                on without a caller.
            per_identity: The limit of each identity; None lifts it, `UNCHANGED` leaves it. Who has more keeps it.

        Raises ConfigError (CF-CTR-041) for sizes that don't fit together; nothing is changed then.
        """
        given = {"max_size": max_size, "min_size": min_size}
        details: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if per_identity != UNCHANGED:
            details["per_identity"] = per_identity
        with recorded(self._audit, "pool.resize", self.resource, details):
            outcome = resize(self._resource, max_size, min_size, per_identity)
            details |= {"closed": outcome.closed, "on_return": outcome.on_return}
        if min_size:
            self._keep_minimum()
        return outcome

    def suspend(self) -> LendingOutcome:
        """Lend nothing, to threads and on all loops, until `resume`: who asks waits, at most for its time-out; what is
        lent stays lent and may come back. Does not block; harmless where it is suspended already.
        """
        return self._lend("pool.suspend", suspended=True)

    def resume(self) -> LendingOutcome:
        """Lend again; who waits is served. Does not block; harmless where it is not suspended."""
        return self._lend("pool.resume", suspended=False)

    # --- how --------------------------------------------------------------------------------------------------------

    def _lend(self, action: str, *, suspended: bool) -> LendingOutcome:
        details: dict[str, Any] = {}
        with recorded(self._audit, action, self.resource, details), self._resource.operating:
            before = self.statistics()
            for pool in self._resource.pools:
                if suspended:
                    pool.suspend()
                else:
                    pool.resume()
            changed = before.suspended is not suspended
            details |= {"changed": changed, "in_use": before.in_use, "waiting": before.waiting}
        patience = self._resource.pool.settings.connection_timeout
        return LendingOutcome(self.resource, suspended, changed, before.in_use, before.waiting, patience)

    def __repr__(self) -> str:
        return f"<OperatedPool {self.resource}>"


def operated_pool(parts: Parts, name: str) -> OperatedPool:
    """The pools behind a resource, or behind a reference as `application:reference`. Raises NameNotFound."""
    application, separator, reference = name.partition(":")
    resource = parts.resources.get(name)
    if resource is None and separator and application in parts.applications:
        resource = parts.resources[parts.applications[application].manager(reference).resource]
    if resource is None:
        raise unknown("pool", name, "this container", parts.resources)
    found = resource

    def keep_minimum() -> None:
        if found.name in parts.direct.references:
            fill(found, parts.direct.manager(found.name))
            parts.housekeeper.add(found.pools)  # due now, not after the rest of its pause

    return OperatedPool(found, parts.audit, keep_minimum)
