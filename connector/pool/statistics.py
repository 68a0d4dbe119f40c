"""What a pool tells about itself: immutable snapshots, free of secrets (POOL-6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from connector.pool.measurements import Durations, by_name, measurements_of


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """One instant of a pool. What is counted since the pool was made never goes down.

    Attributes:
        max_size: The limit over all identities.
        size: Physical connections now, free or in use.
        free: Those that wait for a borrower.
        in_use: Those that are lent.
        changing: Places held by connections that are being opened or closed now; `size + changing <= max_size`.
        waiting: Borrowers that wait now.
        created: Connections opened, since the pool was made.
        destroyed: Connections taken out of the pool to be closed.
        replaced: Those among them that gave way to another identity or to a newer credential.
        broken: Connections that reported an error.
        abandoned: Leases that were never closed and were found by the garbage collector.
        failed_logins: Times that the external system refused a credential.
        waits: Borrowers that had to wait.
        wait_seconds_total: Seconds that they waited, together.
        timeouts: Those that waited in vain.
        by_identity: Connections now by the user that each acts as: the effective user of its borrower while lent, else
            the user that it is signed on as.
        used_by_identity: Those among them that are lent.
        opening: How long opening connections took.
        use: How long connections were lent: of the leases that were traced, one in many.
        min_size: Connections that are kept.
        per_identity: The limit of each identity, or None.
        suspended: Whether nothing is lent for now.
        reauthenticated: Connections that were signed on anew in place, as another user.
        validated: Times that a connection was asked whether it is still good.
        invalid: Those among them where it was not.
        spared_logins: Logins that were not tried since the credential had been refused a moment before.
        overstayed: Leases that were open at the end of the login or work that they were obtained in.
        leaks: Leases that were reported for lasting too long.
        destroyed_for: `destroyed` by reason.
    """

    max_size: int
    size: int
    free: int
    in_use: int
    changing: int
    waiting: int
    created: int
    destroyed: int
    replaced: int
    broken: int
    abandoned: int
    failed_logins: int
    waits: int
    wait_seconds_total: float
    timeouts: int
    by_identity: Mapping[str, int]
    used_by_identity: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    opening: Durations | None = None
    use: Durations | None = None
    min_size: int = 0
    per_identity: int | None = None
    suspended: bool = False
    reauthenticated: int = 0
    validated: int = 0
    invalid: int = 0
    spared_logins: int = 0
    overstayed: int = 0
    leaks: int = 0
    destroyed_for: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def to_dict(self, pool: str) -> dict[str, list[dict[str, Any]]]:
        """The snapshot for programs, by OpenTelemetry's names; see `measurements`.

        Args:
            pool: The pool's name, which is its resource's.
        """
        return by_name(measurements_of(self, pool))


@dataclass(frozen=True, slots=True)
class PooledConnection:
    """One line of a pool's contents.

    Attributes:
        user: The user signed on as; None where the factory decided.
        alias: The authentication alias of the credential, if it has one.
        version: The credential's version.
        in_use: Whether it is lent.
        effective_user: Whom its borrower acts as; None while free.
        reference: The resource reference it was lent by; None while free.
        doomed: Why it will be closed when it comes back; None if it will not.
        age: Seconds since it was opened.
        lent_for: Seconds that it has been lent, at least; None while free, and where nobody has looked yet.
        owner: The thread or task that has it, by name; None while free.
        obtained: The calls that led to the lease, the innermost first, where they were recorded.
    """

    user: str | None
    alias: str | None
    version: int
    in_use: bool
    effective_user: str | None
    reference: str | None
    doomed: str | None
    age: float = 0.0
    lent_for: float | None = None
    owner: str | None = None
    obtained: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedLogin:
    """A credential that the external system has refused, and not accepted since.

    Attributes:
        user: Whose.
        alias: The authentication alias that it came from, or None.
        version: Its version.
        code: The stable code of the refusal.
        failures: How often it was refused in a row.
        retry_in: Seconds until it may be tried again.
    """

    user: str | None
    alias: str | None
    version: int
    code: str
    failures: int
    retry_in: float
