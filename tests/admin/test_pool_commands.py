"""`connector pool`: on a running container, by role, with an audit event (POOL-6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import Result
from support_admin import PASSWORDS, Commands

from connector.admin.endpoint import AdminEndpoint


class RunAs(Protocol):
    def __call__(self, user: str, *arguments: str) -> Result: ...


@pytest.fixture
def as_(commands: Commands, running: AdminEndpoint, tmp_path: Path) -> RunAs:
    """Runs a command on the running container as one of its administrators."""

    def run(user: str, *arguments: str) -> Result:
        path = tmp_path / f"{user}.password"
        path.write_text(PASSWORDS[user])
        return commands("--login", user, "--login-password-file", str(path), *arguments)

    return run


def test_all_pools_are_a_table_with_a_line_each(as_: RunAs) -> None:
    head, line = as_("monty", "pool", "show").stdout.splitlines()
    assert head.split()[:4] == ["resource", "max_size", "size", "in_use"]
    assert line.split()[:4] == ["jdbc/ledger", "5", "2", "1"]


def test_one_pool_is_shown_with_its_figures_and_connections(as_: RunAs) -> None:
    shown = as_("monty", "pool", "show", "orders:jdbc/ledger").stdout
    assert shown.startswith("pool of jdbc/ledger (adapter sql)\n  max_size: 5\n")
    assert "  wait_seconds_total: 0.123\n" in shown
    assert [line.split()[:4] for line in shown.splitlines()[-2:]] == [
        ["batch", "ledger", "3", "True"],
        ["batch", "ledger", "3", "False"],
    ]


def test_for_programs_a_pool_has_opentelemetrys_names_as_well(as_: RunAs) -> None:
    (shown,) = json.loads(as_("monty", "pool", "show", "--json").stdout)
    assert shown["measurements"]["db.client.connection.max"][0]["value"] == 5


def test_a_purge_says_what_it_closed(as_: RunAs, commands: Commands) -> None:
    done = as_("ops", "pool", "purge", "jdbc/ledger")
    assert done.stdout == "jdbc/ledger: closed 1; 1 on loan will be closed when they come back.\n"
    assert commands.world.container.ledger.purges == 1


def test_a_dry_run_says_what_a_purge_would_close_and_closes_nothing(as_: RunAs, commands: Commands) -> None:
    told = as_("ops", "pool", "purge", "jdbc/ledger", "--dry-run")
    assert told.stdout.endswith("would close 1 now and 1 when they come back; nothing was done.\n")
    assert json.loads(as_("ops", "pool", "purge", "jdbc/ledger", "--dry-run", "--json").stdout)["dry_run"] is True
    assert commands.world.container.ledger.purges == 0


def test_a_monitor_looks_and_does_not_purge(as_: RunAs, commands: Commands) -> None:
    refused = as_("monty", "pool", "purge", "jdbc/ledger")
    assert (refused.exit_code, refused.stderr.split(":")[0]) == (1, "CF-ADM-021")
    assert "operator" in refused.stderr
    assert commands.world.container.ledger.purges == 0


def test_who_purged_which_pool_is_in_the_audit_log(as_: RunAs, commands: Commands) -> None:
    as_("ops", "pool", "purge", "jdbc/ledger")
    as_("monty", "pool", "purge", "jdbc/ledger")
    done, refused = commands.world.container.audit.events
    assert (done.action, done.who, done.outcome.value) == ("admin.pool.purge", "ops@test", "success")
    assert done.details["reference"] == "jdbc/ledger"
    assert (refused.outcome.value, refused.reason) == ("denied", "CF-ADM-021")


def test_an_unknown_pool_is_wrong_usage(as_: RunAs) -> None:
    assert as_("ops", "pool", "show", "jdbc/nothing").exit_code == 2


@pytest.mark.parametrize("arguments", [("pool", "show"), ("pool", "purge", "jdbc/ledger")])
def test_where_no_container_runs_there_is_no_pool_and_none_is_opened(
    commands: Commands, arguments: tuple[str, ...]
) -> None:
    refused = commands(*arguments)
    assert (refused.exit_code, refused.stderr.split(":")[0]) == (3, "CF-ADM-044")
    assert "connector run" in refused.stderr
    assert commands.opened == []
