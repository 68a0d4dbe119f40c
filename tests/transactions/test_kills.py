"""A kill -9 at every step of a commit: after the next start all databases agree (FLOW-8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_till import Till, killed

from connector import Container
from connector.errors import TransactionError

pytestmark = pytest.mark.postgresql


def recovered(till: Till, container: Container) -> tuple[list[str], list[str]]:
    """What stands in bank and shop once a container has looked."""
    container._parts.transactions.look()
    return till.entries("bank"), till.entries("shop")


@pytest.mark.parametrize(
    ("step", "left", "expected"),
    [
        ("bank:prepare", 0, []),
        ("bank:prepared", 1, []),
        ("shop:prepare", 1, []),
        ("shop:prepared", 2, []),
        ("log:commit", 2, []),
        ("log:committed", 2, ["killed"]),
        ("bank:commit", 2, ["killed"]),
        ("bank:committed", 1, ["killed"]),
        ("shop:commit", 1, ["killed"]),
        ("shop:committed", 0, ["killed"]),
    ],
)
def test_both_databases_or_none(till: Till, step: str, left: int, expected: list[str]) -> None:
    killed(till, step)
    assert len(till.prepared()) == left
    with till.open(activate=False) as container:
        assert recovered(till, container) == (expected, expected)
        assert till.prepared() == []
        assert container._parts.transactions.unfinished() == ()


@pytest.mark.parametrize(("step", "expected"), [("shop:prepared", []), ("bank:commit", ["killed"])])
def test_a_container_that_starts_recovers_by_itself(till: Till, step: str, expected: list[str]) -> None:
    killed(till, step)
    with till.open() as container:
        # Its own thread looks at once; a look of ours waits for that, and then finds nothing left.
        assert recovered(till, container) == (expected, expected)
    assert till.prepared() == []


def test_what_the_trusted_connection_prepared_as_the_caller_is_finished_as_the_caller(till: Till) -> None:
    killed(till, "trusted:commit", "trusted,shop")
    assert [owner for (owner,) in till.server.run_sql("SELECT owner FROM pg_prepared_xacts ORDER BY owner")] == [
        "alice",
        "keeper",
    ]
    with till.open(activate=False) as container:
        container._parts.transactions.look()
    assert till.owners("bank") == [("killed", "alice")]
    assert till.entries("shop") == ["killed"]


def test_without_the_right_to_it_the_branch_is_listed_with_what_to_do(till: Till) -> None:
    killed(till, "trusted:commit", "trusted,shop")
    till.edit(lambda text: text.replace('recovery_alias = "till-pool"', 'recovery_alias = "keeper"'))
    with till.open(activate=False) as container:
        container._parts.transactions.look()
        (left,) = container._parts.transactions.unfinished()
        assert left.standing == "commit"
        assert any("CF-SQL-178" in trouble and "'alice'" in trouble for trouble in left.trouble)
    till.edit(lambda text: text.replace('recovery_alias = "keeper"', 'recovery_alias = "rescuer"'))
    with till.open(activate=False) as container:
        container._parts.transactions.look()
        assert container._parts.transactions.unfinished() == ()
    assert till.owners("bank") == [("killed", "alice")]


@pytest.mark.parametrize(
    ("step", "noted", "left"),
    [
        ("last:commit", [], 1),
        ("last:committed", [], 1),
        ("notebook:commit", [], 1),
        ("notebook:committed", ["killed"], 1),
        ("log:committed", ["killed"], 1),
    ],
)
def test_around_the_last_resource_nothing_is_guessed(till: Till, step: str, noted: list[str], left: int) -> None:
    killed(till, step, "notebook,bank")
    assert till.noted() == noted
    with till.open(activate=False) as container:
        transactions = container._parts.transactions
        transactions.look()
        doubts = [one for one in transactions.unfinished() if one.in_doubt]
        if step == "last:commit":  # nothing was written yet: presumed abort
            assert doubts == []
            assert till.entries("bank") == []
        elif step == "log:committed":
            assert doubts == []
            assert till.entries("bank") == ["killed"]
        else:
            (doubt,) = doubts
            assert len(till.prepared()) == 1
            transactions.decide(doubt.unit, commit=bool(noted))
            assert till.entries("bank") == noted


@pytest.mark.parametrize(
    ("step", "expected"),
    [("last:committed", []), ("ledger:commit", []), ("ledger:committed", ["killed"]), ("log:committed", ["killed"])],
)
def test_postgresql_as_the_last_resource_is_asked_what_it_did(till: Till, step: str, expected: list[str]) -> None:
    killed(till, step, "ledger,bank")
    assert len(till.prepared()) == 1
    with till.open(activate=False) as container:
        assert recovered(till, container) == (expected, expected)
        assert container._parts.transactions.unfinished() == ()


def test_the_files_of_a_killed_process_are_for_one_container(till: Till, tmp_path: Path) -> None:
    killed(till, "bank:commit")
    prepared = till.prepared()
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = Till(other_folder, till.server)
    with other.open(activate=False) as container:
        with container.transaction():
            for name in ("bank", "shop"):
                with container.lookup(name).get_connection() as connection:
                    connection.exec_driver_sql("SELECT 1")
        container._parts.transactions.look(everywhere=True)
        with pytest.raises(TransactionError):
            container._parts.transactions.forget("cf1:till:0:1:1")
    assert till.prepared() == prepared
    with till.open(activate=False) as container:
        assert recovered(till, container) == (["killed"], ["killed"])
