"""`connector transactions`: by role, for people and for programs."""

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


def test_the_list_says_what_is_in_doubt_and_what_the_trouble_is(as_: RunAs) -> None:
    head, line, trouble = as_("monty", "transactions", "list").stdout.splitlines()
    assert head.split() == ["unit", "standing", "resources", "meaning"]
    assert line.split()[:5] == ["cf1:till:f:1:1", "last-resource", "(in", "doubt)", "jdbc/ledger"]
    assert trouble == "cf1:till:f:1:1: jdbc/ledger: it is away"
    (plain,) = json.loads(as_("monty", "--json", "transactions", "list").stdout)
    assert plain["in_doubt"] is True


@pytest.mark.parametrize("command", ["commit", "rollback", "forget"])
def test_deciding_is_for_operators(as_: RunAs, command: str) -> None:
    refused = as_("monty", "transactions", command, "cf1:till:f:1:1")
    assert refused.exit_code == 1
    assert "operator" in refused.stderr
    assert as_("ops", "transactions", command, "cf1:till:f:1:1").stdout == "Nothing is unfinished.\n"


def test_recovering_is_for_operators(as_: RunAs) -> None:
    assert as_("monty", "transactions", "recover").exit_code == 1
    assert as_("ops", "transactions", "recover").exit_code == 0
