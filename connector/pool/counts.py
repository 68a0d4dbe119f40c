"""What a pool counts since it was made. A record without behaviour, owned by `state` and changed under its lock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from connector.pool.entry import Doom


@dataclass(slots=True)
class Counts:
    """Totals; none of them ever goes down. `PoolStatistics` says what each means."""

    created: int = 0
    destroyed: int = 0
    destroyed_for: Counter[Doom] = field(default_factory=Counter)
    replaced: int = 0
    reauthenticated: int = 0
    broken: int = 0
    validated: int = 0
    invalid: int = 0
    failed_logins: int = 0
    spared_logins: int = 0
    abandoned: int = 0
    overstayed: int = 0
    leaks: int = 0
    waits: int = 0
    wait_seconds: float = 0.0
    timeouts: int = 0
    openings: int = 0
    opening_seconds: float = 0.0
    uses: int = 0
    use_seconds: float = 0.0
