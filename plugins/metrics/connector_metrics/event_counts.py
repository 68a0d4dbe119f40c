"""Counting audit events: which series an event belongs to is a pure table, the counts are kept under one lock.

=====================  ===================  ==========================================================================
name                   attributes           what is counted
=====================  ===================  ==========================================================================
connector.deliveries   activation, outcome  messages whose sender's role was checked before a handler (action deliver)
connector.sign_ons     resource, outcome    sign-ons resolved (action sign-on); a plan that is kept is resolved once
connector.logins       outcome              user and password checked in the container's realm (action login)
connector.refusals     action, code         whatever did not succeed, by its stable code
=====================  ===================  ==========================================================================
"""

from __future__ import annotations

import re
from collections import defaultdict
from threading import Lock
from typing import Final, TypeAlias, final

from connector.spi import AuditEvent, Instrument, Measurement, Outcome

#: One series: the metric's name, and its attributes in order.
Series: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]

#: The most series of one container. Values come from the configuration and the code, so it is never reached, unless
#: an adapter puts into its events what comes from outside: then the rest is counted together.
MOST_SERIES: Final = 1000
OTHER: Final = "other"

_CODE = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z0-9]+)+")
_DESCRIPTIONS = {
    "connector.deliveries": "Messages whose sender's role was checked before a handler.",
    "connector.sign_ons": "Sign-ons resolved; a plan that is kept is resolved once.",
    "connector.logins": "User and password checked in the container's realm.",
    "connector.refusals": "What did not succeed, by its stable code.",
}


def series_of(event: AuditEvent) -> tuple[Series, ...]:
    """Where an event is counted; the table above says which. Pure."""
    outcome = ("outcome", event.outcome.value)
    found: list[Series] = []
    if event.action == "deliver":
        found.append(("connector.deliveries", (("activation", event.resource), outcome)))
    elif event.action == "sign-on":
        found.append(("connector.sign_ons", (("resource", event.resource), outcome)))
    elif event.action == "login":
        found.append(("connector.logins", (outcome,)))
    if event.outcome is not Outcome.SUCCESS:
        # A reason that is no code is a sentence, and sentences may be as many as there are callers.
        code = event.reason if _CODE.fullmatch(event.reason) else OTHER
        found.append(("connector.refusals", (("action", event.action), ("code", code))))
    return tuple(found)


@final
class EventCounts:
    """The counts of one container, since the process began. Safe to use from any thread."""

    # Mutable state: the counts, under the lock. New series only while there are fewer than MOST_SERIES.

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: defaultdict[Series, int] = defaultdict(int)

    def note(self, event: AuditEvent) -> None:
        """Count an event. Does not block."""
        for series in series_of(event):
            with self._lock:
                if series not in self._counts and len(self._counts) >= MOST_SERIES:
                    name, attributes = series
                    series = (name, tuple((key, OTHER) for key, _ in attributes))
                self._counts[series] += 1

    def measurements(self) -> tuple[Measurement, ...]:
        """The counts of this instant, as measurements. Does not block."""
        with self._lock:
            counts = dict(self._counts)
        return tuple(
            Measurement(name, Instrument.COUNTER, count, "{event}", _DESCRIPTIONS[name], dict(attributes))
            for (name, attributes), count in sorted(counts.items())
        )
