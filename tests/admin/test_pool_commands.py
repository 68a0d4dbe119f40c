"""`connector pool`: on a running container, by role, with an audit event (POOL-6)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import pytest
from click.testing import Result
from support_admin import PASSWORDS, Commands

from connector.admin.arguments import Arguments
from connector.admin.endpoint import AdminEndpoint
from connector.admin.operations import Request, operation_named
from connector.errors import ConfigError


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


def test_all_pools_are_a_table_with_a_line_for_threads_and_for_loops(as_: RunAs) -> None:
    head, threads, loop = as_("monty", "pool", "show").stdout.splitlines()
    assert head.split()[:5] == ["resource", "pool", "max_size", "size", "in_use"]
    assert threads.split()[:5] == ["jdbc/ledger", "threads", "5", "2", "1"]
    assert loop.split()[:7] == ["jdbc/ledger", "an", "asyncio", "loop", "5", "0", "0"]


def test_one_pool_is_shown_with_settings_figures_shares_and_connections(as_: RunAs) -> None:
    shown = as_("monty", "pool", "show", "orders:jdbc/ledger").stdout
    assert shown.startswith("pool of jdbc/ledger (adapter sql)\nsettings in force\n  max_size: 5\n")
    assert "  aged_timeout: off\n  validation: on-checkout\n" in shown
    assert "figures of the pool for threads\n" in shown
    assert "  wait_seconds_total: 0.123\n  destroyed, purged: 4\n" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["threads", "alice", "1", "1", "20%", "3"] in lines
    assert lines[-2] == ["threads", "batch", "ledger", "3", "61.3", "s"]
    assert lines[-1] == [
        *("threads", "batch", "ledger", "3", "61.3", "s", "42.0", "s", "thread", "MainThread", "alice"),
        "jdbc/ledger",
    ]


def test_what_is_lent_is_shown_with_where_it_was_obtained(as_: RunAs) -> None:
    assert as_("monty", "pool", "show", "jdbc/ledger", "--leaks").stdout.splitlines() == [
        "jdbc/ledger: lent for 42.0 s to thread MainThread, as alice, by reference jdbc/ledger",
        "    app.py:7 in pay",
        "    app.py:3 in main",
    ]


def test_for_programs_a_pool_has_opentelemetrys_names_as_well(as_: RunAs) -> None:
    (shown,) = json.loads(as_("monty", "pool", "show", "--json").stdout)
    assert shown["measurements"]["db.client.connection.max"][0]["value"] == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "closed 1 free connection; 1 on loan will be closed when they come back."),
        (("--mode", "idle"), "closed 1 free connection; 1 stays."),
        (("--mode", "all"), "closed 1 free connection; 1 on loan were taken away and closed."),
        (
            ("--dry-run",),
            "would close 1 free connection; 1 on loan would be closed when they come back; nothing was done.",
        ),
    ],
)
def test_a_purge_says_what_it_closed(as_: RunAs, arguments: tuple[str, ...], said: str) -> None:
    assert as_("ops", "pool", "purge", "jdbc/ledger", *arguments).stdout == f"jdbc/ledger: {said}\n"


def test_a_purge_says_what_only_the_loops_can_finish(as_: RunAs, commands: Commands) -> None:
    commands.world.container.ledger.asked = 2
    said = as_("ops", "pool", "purge", "jdbc/ledger", "--mode", "invalid").stdout
    assert "2 of asyncio loops are being validated there, and closed by them if they fail" in said


def test_a_purge_can_be_of_some_connections_only(as_: RunAs, commands: Commands) -> None:
    as_("ops", "pool", "purge", "jdbc/ledger", "--user", "alice", "--alias", "ledger", "--below-version", "4")
    asked = {"user": "alice", "alias": "ledger", "below_version": 4, "dry_run": False}
    assert commands.world.container.ledger.purges == [{"mode": "gracefully", **asked}]


def test_a_dry_run_closes_nothing(as_: RunAs, commands: Commands) -> None:
    assert json.loads(as_("ops", "pool", "purge", "jdbc/ledger", "--dry-run", "--json").stdout)["dry_run"] is True
    assert commands.world.container.ledger.purges == []


@pytest.mark.parametrize(
    ("arguments", "sizes", "keep"),
    [
        (("--max-size", "7", "--min-size", "2"), (7, 2, -1), "pool = { max_size = 7, min_size = 2 }"),
        (("--per-identity", "3"), (None, None, 3), "pool = { per_identity = 3 }"),
        (("--per-identity", "none"), (None, None, None), "no per_identity"),
    ],
)
def test_a_resize_says_what_is_in_force_and_how_to_keep_it(
    as_: RunAs, commands: Commands, arguments: tuple[str, ...], sizes: tuple[object, ...], keep: str
) -> None:
    said = as_("ops", "pool", "resize", "jdbc/ledger", *arguments)
    assert said.exit_code == 0
    assert f"Until the next start; to keep it: {keep} in connector.toml." in said.stdout
    assert commands.world.container.ledger.sizes == sizes


def test_sizes_that_do_not_fit_are_wrong_usage_and_in_the_audit_log(as_: RunAs, commands: Commands) -> None:
    refused = as_("ops", "pool", "resize", "jdbc/ledger", "--max-size", "1")
    assert (refused.exit_code, refused.stderr.split(":")[0]) == (2, "CF-TEST-ADM-004")
    (event,) = commands.world.container.audit.events
    assert (event.action, event.outcome.value, event.reason) == ("admin.pool.resize", "failure", "CF-TEST-ADM-004")
    assert (event.details["reference"], event.details["max_size"]) == ("jdbc/ledger", "1")


@pytest.mark.parametrize("arguments", [(), ("--max-size", "0"), ("--per-identity", "0"), ("--per-identity", "many")])
def test_a_resize_to_nothing_sensible_is_not_even_asked_for(
    as_: RunAs, commands: Commands, arguments: tuple[str, ...]
) -> None:
    assert as_("ops", "pool", "resize", "jdbc/ledger", *arguments).exit_code == 2
    assert commands.world.container.audit.events == ()


def test_suspend_and_resume_say_what_they_found(as_: RunAs) -> None:
    said = [as_("ops", "pool", command, "jdbc/ledger").stdout for command in ("suspend", "suspend", "resume", "resume")]
    assert said[0] == (
        "jdbc/ledger: suspended. 1 on loan stay until they come back; who asks now waits, 30 s at most. "
        "`connector pool resume jdbc/ledger` lends again.\n"
    )
    assert "was suspended already" in said[1]
    assert said[2:] == ["jdbc/ledger: lends again; 2 waited for it.\n", "jdbc/ledger: was not suspended.\n"]


def test_that_a_pool_is_suspended_is_seen_at_once(as_: RunAs) -> None:
    as_("ops", "pool", "suspend", "jdbc/ledger")
    assert as_("monty", "pool", "show", "jdbc/ledger").stdout.splitlines()[1].startswith("suspended: nothing is lent")
    assert "threads, suspended" in as_("monty", "pool", "show").stdout


@pytest.mark.parametrize("command", [("purge",), ("resize", "--max-size", "9"), ("suspend",), ("resume",)])
def test_a_monitor_looks_and_changes_nothing(as_: RunAs, commands: Commands, command: tuple[str, ...]) -> None:
    refused = as_("monty", "pool", command[0], "jdbc/ledger", *command[1:])
    assert (refused.exit_code, refused.stderr.split(":")[0]) == (1, "CF-ADM-021")
    assert "operator" in refused.stderr
    (event,) = commands.world.container.audit.events
    assert (event.action, event.outcome.value) == (f"admin.pool.{command[0]}", "denied")
    ledger = commands.world.container.ledger
    assert (ledger.purges, ledger.sizes, ledger.suspended) == ([], None, False)


def test_who_purged_which_pool_is_in_the_audit_log(as_: RunAs, commands: Commands) -> None:
    as_("ops", "pool", "purge", "jdbc/ledger", "--mode", "idle")
    (done,) = commands.world.container.audit.events
    assert (done.action, done.who, done.outcome.value) == ("admin.pool.purge", "ops@test", "success")
    assert (done.details["reference"], done.details["mode"]) == ("jdbc/ledger", "idle")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("pool.purge", {"mode": "everything"}),
        ("pool.purge", {"below_version": True}),
        ("pool.resize", {"max_size": "9"}),
        ("pool.resize", {"per_identity": -1}),
    ],
)
def test_a_foreign_client_gets_no_further_than_the_command(
    commands: Commands, operation: str, arguments: dict[str, object]
) -> None:
    request = Request(Arguments({"reference": "jdbc/ledger", **arguments}))
    with pytest.raises(ConfigError, match="CF-ADM-030"):
        operation_named(operation).run(commands.world.target, request)


def test_an_unknown_pool_is_wrong_usage(as_: RunAs) -> None:
    assert as_("ops", "pool", "show", "jdbc/nothing").exit_code == 2


@pytest.mark.parametrize(
    "arguments", [("pool", "show"), ("pool", "purge", "jdbc/ledger"), ("pool", "resume", "jdbc/ledger")]
)
def test_where_no_container_runs_there_is_no_pool_and_none_is_opened(
    commands: Commands, arguments: tuple[str, ...]
) -> None:
    refused = commands(*arguments)
    assert (refused.exit_code, refused.stderr.split(":")[0]) == (3, "CF-ADM-044")
    assert "connector run" in refused.stderr
    assert commands.opened == []
