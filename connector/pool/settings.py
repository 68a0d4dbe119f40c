"""The settings of one pool (POOL-2)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from connector.spi import Capability

#: The times of which 0 means nothing: a pool that checks without a pause.
_POSITIVE: Final = (
    "aged_timeout",
    "unused_timeout",
    "reap_time",
    "background_validation",
    "leak_timeout",
)
_NOT_NEGATIVE: Final = ("connection_timeout", "validation_bypass", "login_backoff", "login_backoff_max")


class Validation(Enum):
    """When a connection is asked whether it is still good."""

    ON_CHECKOUT = "on-checkout"
    ON_RETURN = "on-return"
    BACKGROUND = "background"


class PurgePolicy(Enum):
    """What a connection that reports an error means for the others of the pool."""

    FAILING_CONNECTION = "failing-connection"  # nothing
    ENTIRE_POOL = "entire-pool"  # they go: free ones now, lent and half-opened ones when they come back
    VALIDATE_ALL = "validate-all"  # each is validated before it is lent again


class RetirePolicy(Enum):
    """What becomes of connections whose credential has a newer version (AUTHD-3)."""

    RETIRE_ON_RETURN = "retire-on-return"  # once the new one has been accepted: free ones go, lent ones on return
    NEW_ONLY = "new-only"  # they serve on until they leave for another reason; new ones use the new credential
    PURGE_NOW = "purge-now"  # at once, whatever becomes of the new one; lent ones on return


class LeakTrace(Enum):
    """Of which leases the place where they were obtained is recorded."""

    OFF = "off"
    SAMPLED = "sampled"  # the first of each connection and each hundred and twenty-eighth; all, once one was missed
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How large a pool may get, how long a borrower waits, and when a connection is too old, unused or suspicious.

    All times are in seconds; None switches the feature off. What is due is looked for each `reap_time`, or oftener
    where a shorter time asks for it.

    Attributes:
        max_size: Physical connections at most, over all identities together; at least 1.
        min_size: Not fewer than that many are kept: unused ones above it only are closed, and lost ones are opened
            again for whom they were signed on. Where a resource signs on without a caller they are opened at the start.
        per_identity: Connections at most of one identity, so that nobody takes the whole pool: physical ones where
            callers sign on as themselves, leases where they are asserted. None: as many as the pool has.
        connection_timeout: How long a borrower waits for a connection to come free; 0 is not at all. The time that
            connecting takes comes on top.
        aged_timeout: How old a connection may get; lent ones go when they come back.
        aged_jitter: Each connection's own limit is earlier by a random share of `aged_timeout` up to this, so that
            those that were opened together don't end together; between 0 and 1.
        unused_timeout: How long a connection may be free and unused.
        reap_time: The pause between two looks.
        validation: When connections are validated, where the adapter can.
        validation_bypass: A connection that was good so recently is not validated on checkout.
        background_validation: How long a free connection may be unused before it is validated in the background.
        purge_policy: See `PurgePolicy`.
        retire_policy: See `RetirePolicy`.
        login_backoff: After a refused login the same credential is not tried again for so long, doubled with each
            further refusal; whoever wants it meanwhile fails at once with the same error. 0: no pause.
        login_backoff_max: The longest of these pauses.
        leak_timeout: How long a lease may last before it is reported, once, as a suspected leak; nothing is taken away.
        leak_trace: See `LeakTrace`.
        auto_close: Whether a lease that is open when the login or work ends in which it was obtained is closed; it is
            reported in any case.
    """

    max_size: int = 10
    min_size: int = 0
    per_identity: int | None = None
    connection_timeout: float = 30.0
    aged_timeout: float | None = None
    aged_jitter: float = 0.1
    unused_timeout: float | None = 1800.0
    reap_time: float = 180.0
    validation: frozenset[Validation] = frozenset()
    validation_bypass: float = 0.5
    background_validation: float = 60.0
    purge_policy: PurgePolicy = PurgePolicy.FAILING_CONNECTION
    retire_policy: RetirePolicy = RetirePolicy.RETIRE_ON_RETURN
    login_backoff: float = 1.0
    login_backoff_max: float = 60.0
    leak_timeout: float | None = None
    leak_trace: LeakTrace = LeakTrace.SAMPLED
    auto_close: bool = True

    def __post_init__(self) -> None:
        # The container reports these as configuration mistakes with file and line before it gets here.
        check_sizes(self.max_size, self.min_size, self.per_identity)
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is 0 seconds or more, not {getattr(self, name)}")
        for name in _POSITIVE:
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} is more than 0 seconds, not {seconds}")
        if not 0 <= self.aged_jitter < 1:
            raise ValueError(f"aged_jitter is from 0 to below 1, not {self.aged_jitter}")

    @property
    def upkeep_interval(self) -> float:
        """The pause between two looks after the pool: `reap_time`, or less where a shorter time has to be kept."""
        background = self.background_validation if Validation.BACKGROUND in self.validation else math.inf
        wanted = (self.unused_timeout, self.leak_timeout, background)
        # Half of each, since what is found the same twice has lasted for one pause at least.
        return min(self.reap_time, *(seconds / 2 for seconds in wanted if seconds is not None))


def effective_settings(settings: PoolSettings | None, capabilities: frozenset[Capability]) -> PoolSettings:
    """The settings that a pool goes by: without validation where the adapter can't. None: the defaults."""
    settings = settings or PoolSettings()
    if Capability.VALIDATION in capabilities:
        return settings
    policy = settings.purge_policy
    if policy is PurgePolicy.VALIDATE_ALL:
        policy = PurgePolicy.FAILING_CONNECTION
    return replace(settings, validation=frozenset(), purge_policy=policy)


def check_sizes(max_size: int, min_size: int, per_identity: int | None) -> None:
    """Raise ValueError for sizes that are wrong by themselves or together."""
    if max_size < 1:
        raise ValueError(f"max_size is at least 1, not {max_size}")
    if not 0 <= min_size <= max_size:
        raise ValueError(f"min_size is from 0 to max_size ({max_size}), not {min_size}")
    if per_identity is not None and per_identity < 1:
        raise ValueError(f"per_identity is at least 1, not {per_identity}")
