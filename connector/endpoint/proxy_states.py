"""What an adapter may do with one endpoint, and when: the state machine of the proxy, without lock and without I/O.

Theory of operation
-------------------
An endpoint is *idle*, or in use. The adapter may give it a message alone (`deliver`), or bracket it by
`before_delivery` and `after_delivery`, so that what it does itself in between (settle the message, send the reply) is
in the same unit of work as what the handler does. Between the brackets there is one message or none.

Every call is a *step* that is allowed in some states. The calls that take time have a state of their own while they
last (`BEGINNING`, `DELIVERING`, `HANDLING`, `ENDING`), which they leave by a *turn*: done or failed. All that is not in
the table is misuse, and the second table says what the misuse is called.

    state       before      deliver      after     release     the call ends       it fails
    IDLE        BEGINNING   DELIVERING   -         RELEASED
    BEGINNING   -           -            -         -           OPEN                IDLE
    OPEN        -           HANDLING     ENDING    RELEASED
    DELIVERING  -           -            -         -           IDLE                IDLE
    HANDLING    -           -            -         -           DELIVERED           DELIVERED
    DELIVERED   -           -            ENDING    RELEASED
    ENDING      -           -            -         -           IDLE                IDLE
    RELEASED    -           -            -         RELEASED

A release in `OPEN` or `DELIVERED` gives up what is between the brackets: the unit of work is rolled back.
"""

from __future__ import annotations

from enum import Enum


class ProxyState(Enum):
    """Where an endpoint is."""

    IDLE = "idle"
    BEGINNING = "in before_delivery"
    OPEN = "between before_delivery and a message"
    DELIVERING = "delivering a message"
    HANDLING = "delivering a message after before_delivery"
    DELIVERED = "between a message and after_delivery"
    ENDING = "in after_delivery"
    RELEASED = "released"


class Step(Enum):
    """What the adapter calls."""

    BEFORE = "before_delivery"
    DELIVER = "deliver"
    AFTER = "after_delivery"
    RELEASE = "release"


class Misuse(Enum):
    """What a call is that the table does not have."""

    CONCURRENT = "concurrent"  # while another call is under way
    RELEASED = "released"  # after `release`
    BUSY_RELEASE = "busy-release"  # `release` while another call is under way
    OUT_OF_ORDER = "out-of-order"  # `after` without `before`, `before` twice
    SECOND_DELIVERY = "second-delivery"  # two messages between one pair of brackets


_STEPS: dict[tuple[ProxyState, Step], ProxyState] = {
    (ProxyState.IDLE, Step.BEFORE): ProxyState.BEGINNING,
    (ProxyState.IDLE, Step.DELIVER): ProxyState.DELIVERING,
    (ProxyState.IDLE, Step.RELEASE): ProxyState.RELEASED,
    (ProxyState.OPEN, Step.DELIVER): ProxyState.HANDLING,
    (ProxyState.OPEN, Step.AFTER): ProxyState.ENDING,
    (ProxyState.OPEN, Step.RELEASE): ProxyState.RELEASED,
    (ProxyState.DELIVERED, Step.AFTER): ProxyState.ENDING,
    (ProxyState.DELIVERED, Step.RELEASE): ProxyState.RELEASED,
    (ProxyState.RELEASED, Step.RELEASE): ProxyState.RELEASED,
}

#: A busy state, and where its call leaves it: done, failed.
_TURNS: dict[ProxyState, tuple[ProxyState, ProxyState]] = {
    ProxyState.BEGINNING: (ProxyState.OPEN, ProxyState.IDLE),
    ProxyState.DELIVERING: (ProxyState.IDLE, ProxyState.IDLE),
    ProxyState.HANDLING: (ProxyState.DELIVERED, ProxyState.DELIVERED),
    ProxyState.ENDING: (ProxyState.IDLE, ProxyState.IDLE),
}

BUSY = frozenset(_TURNS)
#: There is something between the brackets that a release gives up.
BRACKETED = frozenset({ProxyState.OPEN, ProxyState.DELIVERED})


def step(state: ProxyState, asked: Step) -> ProxyState | Misuse:
    """The state that a call leads to, or what kind of misuse the call is. Pure, total."""
    following = _STEPS.get((state, asked))
    if following is not None:
        return following
    if state in BUSY:
        return Misuse.BUSY_RELEASE if asked is Step.RELEASE else Misuse.CONCURRENT
    if state is ProxyState.RELEASED:
        return Misuse.RELEASED
    if state is ProxyState.DELIVERED and asked is Step.DELIVER:
        return Misuse.SECOND_DELIVERY
    return Misuse.OUT_OF_ORDER


def turn(state: ProxyState, *, done: bool) -> ProxyState:
    """The state after the call under way has ended. Pure. Raises KeyError for a state in which none is."""
    return _TURNS[state][0 if done else 1]
