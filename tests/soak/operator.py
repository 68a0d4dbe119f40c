"""The operator: works against the borrowers from a thread of its own, on one pool or on several."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from connector.pool import ManagedConnectionPool
from connector.pool.flushing import FlushChoice, FlushMode
from connector.spi import Capability
from soak.borrowers import Found, tolerating
from soak.ledger import SYSTEM, Ledger, share_of
from soak.moods import Trouble
from soak.stage import AnyStage
from soak.steps import Step

_MODES: Final = tuple(FlushMode)
_JUMPS: Final = (0.001, 0.01, 0.5, 2.0, 10.0, 100.0, 0.003, 1.0)
#: How often it lets the others go on before it does its next step, at most: they may wait for that.
_TURNS: Final = 20


class Operator:
    """Carries out its program while borrowers carry out theirs, and leaves all pools resumed.

    Args:
        stages: The pools.
        progress: How many steps the borrowers have done.
    """

    def __init__(self, stages: Sequence[AnyStage], progress: Callable[[], int]) -> None:
        self._stages = stages
        self._progress = progress
        self.done = 0

    def run(self, steps: list[Step], pace: int) -> None:
        """Do one step for each `pace` steps of the borrowers, or as often as they get their turn."""
        for step in steps:
            for _ in range(_TURNS):
                if self._progress() >= self.done * pace:
                    break
                time.sleep(0)
            stage = self._stages[self.done % len(self._stages)]
            with tolerating(stage.ledger):
                self._do(stage, step.verb, step.number)
            self.done += 1
        for stage in self._stages:
            stage.pool.resume()

    def _do(self, stage: AnyStage, verb: str, number: int) -> None:
        pool = stage.pool
        match verb:
            case "look":
                pool.contents() if number % 2 else pool.statistics()
            case "upkeep":
                pool.upkeep()
            case "jump":
                stage.clock.jumped += _JUMPS[number % len(_JUMPS)]
            case "break":
                wire = stage.some_wire(number)
                if wire is not None:
                    wire.connection.connection_error_occurred(Trouble())
            case "new version":
                _new_version(stage, number)
            case "flush":
                _flush(stage, number)
            case "resize":
                _resize(stage, number)
            case "suspend":
                pool.suspend()
            case "resume":
                pool.resume()
            case "forgive":
                pool.forgive(stage.plan(number))
            case "warm":
                pool.warm(stage.plan(number))
            case "purge":
                pool.purge()
            case "close":
                stage.ledger.closing = True
                pool.close() if isinstance(pool, ManagedConnectionPool) else pool.begin_close()
            case _:
                raise AssertionError(verb)


def _new_version(stage: AnyStage, number: int) -> None:
    """The credential of somebody has changed; now and then its alias is gone."""
    user = stage.plan(number).user
    assert user is not None
    stage.versions[user] += 1
    stage.pool.retire(f"{user}-alias", stage.versions[user], final=number >= 36)


def _flush(stage: AnyStage, number: int) -> None:
    mode = _MODES[number % len(_MODES)]
    choices = (FlushChoice(), FlushChoice(user=stage.callers[number % len(stage.callers)]),
               FlushChoice(alias="alice-alias"), FlushChoice(below_version=stage.versions[SYSTEM]))  # fmt: skip
    stage.ledger.may_end |= mode is FlushMode.ALL
    stage.pool.flush(mode, choices[number // len(_MODES) % len(choices)], dry_run=number == 31)


def _resize(stage: AnyStage, number: int) -> None:
    max_size, min_size, per_identity = 1 + number * 5 % 7, number % 2, (-1, None, 1, 2)[number // 4 % 4]
    ledger = stage.ledger
    ledger.ceiling = max(ledger.ceiling, max_size)
    if per_identity != -1:
        reauthenticates = Capability.REAUTHENTICATION in stage.setting.capabilities
        ledger.share = max(ledger.share, share_of(per_identity, reauthenticates=reauthenticates))
    stage.pool.resize(max_size, min_size, per_identity)


def take_care(ledger: Ledger, found: Found) -> None:
    """Close, invalidate or forget what borrowers have handed over, on another thread than theirs, until told to end."""
    while (item := found.get()) is not None:
        lease: Any
        lease, fate = item
        with tolerating(ledger):
            if fate >= 0 and fate % 3 == 0:
                lease.close()
            elif fate >= 0 and fate % 3 == 1:
                lease.invalidate()
        del lease, item
