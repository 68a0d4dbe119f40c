"""The settings of one pool (POOL-2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How large a pool may get and how long a borrower waits.

    Attributes:
        max_size: Physical connections at most, over all identities together; at least 1.
        connection_timeout: Seconds that a borrower waits for a connection to come free; 0 is not at all. The time that
            connecting takes comes on top.
    """

    max_size: int = 10
    connection_timeout: float = 30.0

    def __post_init__(self) -> None:
        # The container reports these as configuration mistakes with file and line before it gets here.
        if self.max_size < 1:
            raise ValueError(f"max_size is at least 1, not {self.max_size}")
        if not self.connection_timeout >= 0:
            raise ValueError(f"connection_timeout is 0 seconds or more, not {self.connection_timeout}")
