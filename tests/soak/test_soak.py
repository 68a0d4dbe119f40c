"""A short soak of both kinds of pool; `make soak` is the long one (POOL-1 to POOL-7)."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from soak.adapter import SoakFactory
from soak.ledger import Ledger, Wire
from soak.moods import Moods
from soak.run import KINDS, Soak, main
from soak.steps import BORROWING, OPERATING, steps_of


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_threads_tasks_operators_and_the_adapter_do_nobody_is_somebody_else_and_nothing_is_lost(
    kind: str,
) -> None:
    soak = Soak()
    soak.batch(kind, examples=25)
    assert soak.seen["operations"] > 1000
    assert soak.seen["taken"] > 100


def test_the_long_run_ends_with_one_line_of_figures_and_its_seeds() -> None:
    ended = CliRunner().invoke(main, ["--operations", "1", "--batch", "2", "--seed", "7"])
    assert ended.exit_code == 0
    assert ended.output.splitlines()[-1].startswith("soak: passed, ")
    assert "seeds 7 to 7" in ended.output


def test_a_program_of_zeros_does_nothing() -> None:
    assert steps_of(bytes(8), BORROWING) == steps_of(bytes(8), OPERATING) == []


def test_the_other_side_objects_to_a_foreign_identity_two_at_once_and_what_comes_after_the_end() -> None:
    ledger = Ledger(ceiling=1, share=1)
    factory = SoakFactory(ledger, Moods("calm", b"\0"))
    with ledger.connecting("alice"):
        wire = Wire(ledger, "alice", None)
    wire.enter("one", factory.plan("bob"))
    wire.enter("another", factory.plan("alice"))
    wire.leave()
    with wire.closed():
        pass
    with wire.closed():
        pass
    with ledger.connecting("alice"), ledger.connecting("alice"):
        pass
    assert ledger.objections == [
        "bob on bob acts as alice on alice",
        "alice got it while somebody else had it",
        "destroy after it was closed",
        "2 connections live, 1 are allowed",
        "2 connections of alice live, 1 are allowed",
    ]
