"""One way up the five levels of security, kept for whoever asks about it: it takes a minute of processes (DEMO-2).

Clients of other makes go along, as far as they are installed; what came of them is kept, not judged.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support_clients import Client, Outcome, Server, client_named
from support_tls import profile_keys

from levels import Ascent, Places
from security_levels import LEVELS, Level, server

#: Other makes that go along.
STRANGERS = ("rhea", "jms")
#: What strangers have typed on the server.
EXPORT, ADMIT = "signers export", "signers add stranger.crt --tls client-auth"
BEGUN_WITH = ("server/connector.toml", "server/uk-weather.toml", "server/forecasts.py", "restart.sh")
AFTERWARDS = "kill $(cat server/state/container.lock)"


class Written(Places):
    """Keeps what was typed, and what came of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lines: list[tuple[str, subprocess.CompletedProcess[str]]] = []

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        done = super().run(command)
        self.lines.append((command, done))
        return done


@dataclass
class Stranger:
    """A client of another make, and what it is told of the server; it changes by `learn` only."""

    client: Client
    places: Places
    user: str | None = None
    port: str = "27276"
    trust: Path | None = None
    key: Path | None = None

    def ask(self) -> Outcome:
        """The forecast for the UK on Tuesday."""
        password = (self.places.folder / "alice.password").read_text().strip() if self.user else None
        there = Server(int(self.places.ports[self.port]), self.trust, self.key)
        question = json.dumps({"location": "UK", "day": "Tuesday"})
        return self.client.run(there, self.user, "request", "forecast.requests", question, password=password)

    def sign_on(self) -> None:
        self.user = "alice"

    def trust_the_server(self) -> None:
        (self.places.folder / "weather.crt").write_text(self.places.succeed(server(EXPORT)))
        self.trust, self.port = self.places.folder / "weather.crt", "27286"

    def have_a_certificate(self) -> None:
        profile_keys(self.places.folder, "stranger")
        self.places.succeed(server(ADMIT))
        self.key = self.places.folder / "stranger.pem"


#: What a level means for whoever does not look anything up: what it has to learn before it is served again.
LEARNS: dict[str, Callable[[Stranger], None]] = {
    LEVELS[2].name: Stranger.sign_on,
    LEVELS[3].name: Stranger.trust_the_server,
    LEVELS[4].name: Stranger.have_a_certificate,
}


@dataclass
class Climb:
    """What came of it.

    Attributes:
        places: The two profiles, as they are at the top; the server has ended.
        begun_with: The texts of the files that the server had before it was changed, and of the script.
        story: What `make demo` would have shown.
        unchanged: By level and make, what a stranger met who had yet to learn something.
        learnt: By level and make, what it met then.
    """

    places: Written
    begun_with: dict[str, str] = field(default_factory=dict)
    story: list[str] = field(default_factory=list)
    unchanged: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    learnt: dict[tuple[str, str], Outcome] = field(default_factory=dict)


def climbed(folder: Path) -> Climb:
    """Go up, with all strangers that are installed. Raises StepDiffers where our own client fares otherwise."""
    climb = Climb(Written(folder))
    places = climb.places
    strangers: list[Stranger] = []
    for name in STRANGERS:
        # What is missing is said to the test that asks for this make.
        with contextlib.suppress(pytest.skip.Exception, pytest.fail.Exception):
            strangers.append(Stranger(client_named(name), places))

    def before_they_learn(level: Level) -> None:
        if level.name in LEARNS:
            climb.unchanged.update({(level.name, each.client.name): each.ask() for each in strangers})

    try:
        places.prepare()
        climb.begun_with.update({name: (folder / name).read_text() for name in BEGUN_WITH})
        ascent = Ascent(places, climb.story.append, before_they_learn)
        for number, level in enumerate(LEVELS, 1):
            ascent.climb(number, level)
            for stranger in strangers:
                if level.name in LEARNS:
                    LEARNS[level.name](stranger)
                climb.learnt[level.name, stranger.client.name] = stranger.ask()
        places.run(AFTERWARDS)
    finally:
        places.stop()
    return climb
