"""Example after example until it is enough: what `make soak` runs. Ends with one line, and 1 where something failed."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click
from hypothesis import HealthCheck, Phase, given, seed, settings

from soak.examples import Example, on_loops, on_threads
from soak.moods import Interrupt
from soak.patience import Hang
from soak.scenes import Objection, play_on_loops, play_on_threads

Play = Callable[[Example], Counter[str]]

#: Both kinds of pool: how an example is drawn, and how it is carried out.
KINDS: Final = {"threads": (on_threads, play_on_threads), "loops": (on_loops, play_on_loops)}


class Soak:
    """Carries out examples and keeps the account.

    Attributes:
        seen: What has happened, by name.
        examples: How many examples there were.
        failed: The last example that failed, which is the smallest that hypothesis found.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.examples = 0
        self.failed: Example | None = None

    def batch(self, kind: str, examples: int, number: int | None = None) -> None:
        """Some examples of one kind of pool. Raises what the smallest failing one raised.

        Args:
            kind: One of `KINDS`.
            examples: How many.
            number: The seed; None for any.
        """
        drawn, play = KINDS[kind]

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),  # explaining would run it hundreds of times more
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(drawn())
        def each(example: Example) -> None:
            self.one(play, example)

        try:
            with strict():
                (each if number is None else seed(number)(each))()
        except BaseException as error:
            error.add_note(str(self.failed))
            raise

    def one(self, play: Play, example: Example) -> None:
        self.examples += 1
        try:
            self.seen += play(example)
        except BaseException as error:
            if self.failed is None:
                print(f"soak: an example failed, hypothesis looks for a smaller one: {error}", file=sys.stderr)
            self.failed = example
            raise


@contextmanager
def strict() -> Iterator[None]:
    """Threads take turns often, garbage is collected often and anywhere, and what nobody could raise is raised."""
    missed: list[str] = []

    def unraisable(report: Any) -> None:
        if not issubclass(report.exc_type, Interrupt):  # in a finaliser Python itself can only tell, and goes on
            missed.append(f"{report.exc_type.__name__}: {report.exc_value} in {report.object!r}")

    hook, interval, thresholds = sys.unraisablehook, sys.getswitchinterval(), gc.get_threshold()
    sys.unraisablehook = unraisable
    sys.setswitchinterval(0.00005)
    gc.collect()
    gc.freeze()  # what lived before is no garbage: collecting costs little
    gc.set_threshold(200, 10, 1000)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
    assert not missed, missed


@click.command()
@click.option("--operations", default=1_000_000, show_default=True, help="How many at least.")
@click.option("--seed", "first", default=None, type=int, help="The first seed; any by default.")
@click.option("--batch", default=100, show_default=True, help="Examples of one seed.")
@click.option("--kind", "kinds", type=click.Choice(sorted(KINDS)), multiple=True, help="Which pools; both by default.")
def main(operations: int, first: int | None, batch: int, kinds: tuple[str, ...]) -> None:
    """Run the real pools under hypothesis' programs until there were so many operations."""
    logging.getLogger("connector").addHandler(logging.NullHandler())
    logging.getLogger("connector").propagate = False
    soak, began = Soak(), time.monotonic()
    first = time.time_ns() % 1_000_000 if first is None else first
    number = first
    while soak.seen["operations"] < operations:
        kind = (kinds or tuple(KINDS))[number % len(kinds or KINDS)]
        try:
            soak.batch(kind, batch, number)
        except BaseException as error:
            if not isinstance(error, Objection | Hang):
                traceback.print_exception(error)
            notes = error.__notes__[:2] if isinstance(error, Hang) else ()  # what is known of the pools
            print(soak.failed, error, *notes, sep="\n", file=sys.stderr, flush=True)
            done = soak.seen["operations"]
            print(f"soak: FAILED after {done} operations; once more: --seed {number} --kind {kind} --batch {batch}")
            raise SystemExit(1) from None
        number += 1
        _say(soak, time.monotonic() - began, number - 1)
    print(
        f"soak: passed, {soak.seen['operations']} operations in {soak.examples} examples, "
        f"{time.monotonic() - began:.0f} s, seeds {first} to {number - 1}, {threading.active_count()} thread left"
    )


def _say(soak: Soak, seconds: float, number: int) -> None:
    seen = soak.seen
    figures = ", ".join(f"{name} {count}" for name, count in sorted(seen.items()) if name != "operations")
    print(
        f"{seen['operations']:>9} operations, {seen['operations'] / seconds:.0f}/s, seed {number}; {figures}",
        flush=True,
    )
