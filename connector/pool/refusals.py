"""Refused logins: one probe for each back-off, so that a wrong password never locks an account. Pure (POOL-2, AUTHD-3).

Theory of operation
-------------------
A refusal is kept for each pool key, with the version of the credential that was refused. ::

    (nothing) --refused--> blocked until `until` --time--> one probe may go --refused--> blocked, twice as long
                                                            |--opened--> (nothing)
                                                            `--failed otherwise--> one probe may go

While it is blocked, or the probe is under way, whoever would have to log in with that version gets the same error at
once. Another version of the credential is another matter: it has not been tried. No lock, no clock, as `state`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, final

from connector.errors import LoginRefused
from connector.spi import SignOnPlan

#: Keys that are remembered at most; the one that was refused the longest ago is forgotten first.
REMEMBERED: Final = 1024


@final
class Refusal:
    """What is known of one refused credential.

    Attributes:
        plan: By which it was tried.
        version: The version that was refused.
        error: What was raised then, without its traceback.
        failures: How often it has been refused in a row.
        until: When it may be tried again, by the pool's clock.
        probing: Whether it is being tried.
    """

    __slots__ = ("plan", "version", "error", "failures", "until", "probing")

    def __init__(self, plan: SignOnPlan, error: LoginRefused, failures: int, until: float) -> None:
        self.plan = plan
        self.version = plan.version
        self.error = error
        self.failures = failures
        self.until = until
        self.probing = False


@final
class Refusals:
    """The refused credentials of one pool.

    Args:
        pause: Seconds until the first probe, doubled with each further refusal; 0 for none.
        longest: The longest pause, in seconds.
    """

    # Mutable state: `_by_key`, changed by `refused`, `tried` and `forget` only.
    __slots__ = ("_pause", "_longest", "_by_key")

    def __init__(self, pause: float, longest: float) -> None:
        self._pause = pause
        self._longest = longest
        self._by_key: dict[Hashable, Refusal] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def known(self) -> tuple[Refusal, ...]:
        """All that are remembered, the oldest first."""
        return tuple(self._by_key.values())

    def blocks(self, plan: SignOnPlan, now: float) -> Refusal | None:
        """The refusal for which the plan's credential is not to be tried now; None if it may be."""
        known = self._by_key.get(plan.partition)
        if known is None or known.version != plan.version:
            return None
        return known if known.probing or now < known.until else None

    def tried(self, plan: SignOnPlan) -> Refusal | None:
        """A login with the plan's credential begins; answers what it is the probe of, for `failed`."""
        known = self._by_key.get(plan.partition)
        if known is None or known.version != plan.version or known.probing:
            return None
        known.probing = True
        return known

    def failed(self, probe: Refusal | None) -> None:
        """It ended without an answer about the credential: the system could not be reached, or the borrower left.

        Only the probe itself can end the probe: an attempt from before the refusal may end while it is under way.
        """
        if probe is not None:
            probe.probing = False

    def refused(self, plan: SignOnPlan, error: LoginRefused, now: float) -> None:
        """It was refused."""
        if not self._pause:
            return
        known = self._by_key.pop(plan.partition, None)
        if known is not None and known.version > plan.version:
            self._by_key[plan.partition] = known  # an old plan's refusal says nothing new
            return
        failures = known.failures + 1 if known is not None and known.version == plan.version else 1
        pause = min(self._pause * 2.0 ** min(failures - 1, 64), self._longest)
        # Without the traceback, whose frames would be kept alive for as long as this is remembered.
        plain = LoginRefused(error.reason, **error.details)
        self._by_key[plan.partition] = Refusal(plan, plain, failures, now + pause)
        if len(self._by_key) > REMEMBERED:
            del self._by_key[next(iter(self._by_key))]

    def forget(self, plan: SignOnPlan) -> None:
        """It was accepted: nothing is known against it any more. That an older one was says nothing of a newer."""
        known = self._by_key.get(plan.partition)
        if known is not None and known.version <= plan.version:
            del self._by_key[plan.partition]


def again(error: LoginRefused, refusal: Refusal | None = None, now: float = 0.0) -> LoginRefused:
    """The same refusal as an error of another borrower's own: a traceback belongs to one thread or task, and an
    explanation to one caller.

    Args:
        error: What was raised for whoever tried.
        refusal: Why it was not tried again; None where it was tried just now, by another one.
        now: The time by the pool's clock.
    """
    copy = LoginRefused(error.reason, **error.details)
    if refusal is None:
        copy.__cause__ = error
    else:
        when = f"again in {max(refusal.until - now, 0.0):.1f} s" if not refusal.probing else "being tried now"
        times = f"{refusal.failures} refusal" + ("s" if refusal.failures > 1 else "")
        copy.add_note(f"Not tried this time, so that the account is not locked ({times} in a row; {when}).")
    return copy
