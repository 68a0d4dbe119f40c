"""How long somebody who guesses passwords waits: a little more each time, and nobody else does (CHAIN-5). Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, final

#: Failures that are nobody's fault; from the next one on an attempt waits before it is even looked at.
FORGIVEN: Final = 3
#: Seconds that the first of those waits; each further one twice as long, up to the longest.
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
#: Seconds without a failure after which all is forgotten.
FORGOTTEN_AFTER: Final = 60.0
#: How many are remembered; of more the oldest are forgotten.
REMEMBERED: Final = 10_000


@final
class Throttle:
    """Failed sign-ons by address and user. For the chains' loop only; times are monotonic seconds, given by the caller.

    Mutable state: `_failures`, from address and user to how many there were and when the last one was.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    def wait(self, address: str, user: str, now: float) -> float:
        """Seconds before an attempt is looked at."""
        count, last = self._failures.get((address, user), (0, now))
        if count <= FORGIVEN or now - last >= FORGOTTEN_AFTER:
            return 0.0
        return float(min(FIRST_WAIT * 2 ** min(count - FORGIVEN - 1, 16), LONGEST_WAIT))

    def failed(self, address: str, user: str, now: float) -> None:
        """An attempt failed."""
        count, last = self._failures.pop((address, user), (0, now))
        self._failures[address, user] = (1 if now - last >= FORGOTTEN_AFTER else count + 1, now)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, user: str) -> None:
        """One went well: what was before is forgotten."""
        self._failures.pop((address, user), None)
