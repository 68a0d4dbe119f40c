"""The adapter's administrative operations (BUS-12, BUS-16)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support_bus import running

from connector.errors import ConnectorError
from connector.spi import Message


def failing(message: Message) -> None:
    raise ValueError


def test_show_lists_destinations_with_their_depths(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("uk", "x")
        (bus,) = world.adapter.run_command("bus.show", {"bus": "weather"})["buses"]
        assert (bus["bus"], bus["security"]) == ("weather", True)
        depths = {each["name"]: each["depth"] for each in bus["destinations"]}
        assert depths == {"requests": 0, "uk": 1, "replies": 0, "_SYSTEM.Exception.Destination.weather": 0}


def test_messages_shows_why_each_is_there_and_no_body(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(failing)
        world.connect("alice").send("requests", "MARKER-body")
        world.works.pump()
        answer = world.adapter.run_command("messages", {"bus": "weather"})
        assert answer["destination"] == "_SYSTEM.Exception.Destination.weather"
        assert answer["messages"][0]["properties"]["exception_reason"] == "CF-BUS-045"
        assert answer["messages"][0]["identity"] == "alice@weather"
        assert "MARKER" not in json.dumps(answer)


@pytest.mark.parametrize(("user", "allowed"), [("alice", True), (None, False)])
def test_explain_says_why(tmp_path: Path, user: str | None, allowed: bool) -> None:
    arguments = {"bus": "weather", "role": "sender", "destination": "uk", "user": user}
    with running(tmp_path) as world:
        answer = world.adapter.run_command("explain", arguments)
        assert (answer["answer"] == "allowed") is allowed
        assert answer["in_force"] is True


@pytest.mark.parametrize(
    ("command", "arguments", "code"),
    [
        ("destroy", {}, "CF-BUS-060"),
        ("show", {"bus": "x"}, "CF-BUS-016"),
        ("messages", {"bus": "weather", "destination": "x"}, "CF-BUS-030"),
        ("explain", {"bus": "weather", "role": "owner"}, "CF-BUS-061"),
    ],
)
def test_wrong_input_has_its_code(tmp_path: Path, command: str, arguments: dict[str, Any], code: str) -> None:
    with running(tmp_path) as world:
        with pytest.raises(ConnectorError) as caught:
            world.adapter.run_command(command, arguments)
        assert caught.value.code == code
