"""`connector activations`: on a running container, by role, with an audit event (FLOW-5)."""

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


def test_all_activations_are_a_table_and_a_failed_one_says_why_and_when_it_is_tried_again(as_: RunAs) -> None:
    head, row, why = as_("monty", "activations", "list").stdout.splitlines()
    assert head.split() == [
        *("activation", "state", "healthy", "handler", "ordering", "delivered", "failed", "active", "problem")
    ]
    assert row.split() == ["orders:jms/in", "failed", "no", "shop:take", "group", "7", "3", "0"]
    assert why == "orders:jms/in: the broker refused the user Tried again in 4 s."


def test_programs_get_all_of_it(as_: RunAs) -> None:
    (one,) = json.loads(as_("monty", "activations", "list", "--json").stdout)
    assert (one["state"], one["next_attempt"], one["deliveries"]["denied"]) == ("failed", 4.0, 1)


def test_a_pause_and_a_resume_say_what_became_of_them(as_: RunAs, commands: Commands) -> None:
    commands.world.container.orders.in_delivery, commands.world.container.orders.ended = 2, False
    assert as_("ops", "activations", "pause", "orders:jms/in").stdout == (
        "orders:jms/in: paused; 2 handler(s) still run; the adapter has not ended its subscription yet. "
        "`connector activations resume orders:jms/in` lets it go on.\n"
    )
    assert as_("ops", "activations", "resume", "orders:jms/in").stdout == "orders:jms/in: active.\n"
    assert as_("ops", "activations", "resume", "orders:jms/in").stdout == "orders:jms/in: active; it was not paused.\n"
    assert commands.world.container.orders.calls == ["pause", "resume", "resume"]


def test_a_retry_that_is_refused_again_says_so(as_: RunAs) -> None:
    assert as_("ops", "activations", "retry", "orders:jms/in").stdout == (
        "orders:jms/in: failed. the broker refused the user\n"
    )


@pytest.mark.parametrize("command", ["pause", "resume", "retry"])
def test_whoever_only_looks_may_not_operate(as_: RunAs, commands: Commands, command: str) -> None:
    refused = as_("monty", "activations", command, "orders:jms/in")
    assert refused.exit_code == 1
    assert "operator" in refused.stderr
    assert commands.world.container.orders.calls == []


def test_an_unknown_activation_is_named_and_an_operation_is_audited(as_: RunAs, commands: Commands) -> None:
    assert "orders:jms/out" in as_("ops", "activations", "pause", "orders:jms/out").stderr
    as_("ops", "activations", "pause", "orders:jms/in")
    event = commands.world.container.audit.events[-1]
    assert (event.action, event.details["activation"]) == ("admin.activations.pause", "orders:jms/in")
