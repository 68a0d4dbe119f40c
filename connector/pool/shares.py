"""How many connections each identity has: partitions, and leases of asserted callers (POOL-1, POOL-2). Pure.

The share of an identity is counted where it costs something: callers who sign on as themselves each have a partition
of their own, whose connections are counted; callers who are asserted share the partition of the system user, so their
leases are counted, and only where there is a limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import final

from connector.pool.entry import Entry, Partition
from connector.spi import SignOnPlan


@final
class Shares:
    """Who has how many, under the pool's lock.

    Args:
        per_identity: The limit of each identity; None for no limit.

    Attributes:
        per_identity: See above; may be changed.
        partitions: The partitions that have a permit out, by pool key.
    """

    __slots__ = ("per_identity", "partitions", "_at_work")

    def __init__(self, per_identity: int | None) -> None:
        self.per_identity = per_identity
        self.partitions: dict[Hashable, Partition] = {}
        # Leases of asserted identities, while there is a limit.
        self._at_work: Counter[Hashable] = Counter()

    def counts_leases(self, plan: SignOnPlan) -> bool:
        """Whether the plan's leases count, instead of its connections."""
        return self.per_identity is not None and plan.asserted is not None

    def may_lend(self, plan: SignOnPlan) -> bool:
        """Whether the plan's identity may have another lease."""
        limit = self.per_identity
        return limit is None or plan.asserted is None or self._at_work[plan.sharing_key] < limit

    def may_open(self, plan: SignOnPlan) -> bool:
        """Whether the plan's identity may have another connection."""
        limit = self.per_identity
        if limit is None:
            return True
        if plan.asserted is not None:
            return self._at_work[plan.sharing_key] < limit
        partition = self.partitions.get(plan.partition)
        return partition is None or partition.live < limit

    def charge(self, plan: SignOnPlan) -> tuple[Partition, Hashable]:
        """Count a permit for the plan; answers its partition, and what is counted for its lease."""
        partition = self.partitions.get(plan.partition)
        if partition is None:
            partition = self.partitions[plan.partition] = Partition(plan.partition)
        partition.live += 1
        return partition, self.count(plan)

    def discharge(self, partition: Partition, counted: Hashable) -> None:
        """A permit is not the partition's any more; `counted` is what `charge` or `count` answered."""
        self.uncount(counted)
        partition.live -= 1
        if not partition.live:
            del self.partitions[partition.key]

    def count(self, plan: SignOnPlan) -> Hashable:
        """Count a lease where leases count; answers what `uncount` takes."""
        if not self.counts_leases(plan):
            return None
        self._at_work[plan.sharing_key] += 1
        return plan.sharing_key

    def uncount(self, counted: Hashable) -> None:
        """A lease has ended; None does nothing."""
        if counted is not None:
            self._at_work[counted] -= 1
            if not self._at_work[counted]:
                del self._at_work[counted]

    def free_count(self) -> int:
        """How many entries are free."""
        count = 0
        for partition in self.partitions.values():  # written out: it is asked at each return while anybody waits
            count += len(partition.free)
        return count

    def least_recently_used(self) -> Entry | None:
        """The free entry that has been unused the longest."""
        # Each stack's first is its oldest, so only as many are compared as there are partitions, at most max_size.
        oldest = [partition.free[0] for partition in self.partitions.values() if partition.free]
        return min(oldest, key=lambda entry: entry.returned, default=None)
