"""Clients that nobody here wrote go up the five levels of security beside ours (DEMO-2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support_clients import Client, Outcome, Server
from support_interop import built
from support_tls import profile_keys
from support_wire import require_proton

from levels import Ascent, Places, places
from security_levels import LEVELS, Level, server

pytestmark = [pytest.mark.amqp, pytest.mark.slow]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Places]:
    require_proton()
    with places(tmp_path / "levels") as there:
        yield there


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
        (self.places.folder / "weather.crt").write_text(self.places.succeed(server("signers export")))
        self.trust, self.port = self.places.folder / "weather.crt", "27286"

    def have_a_certificate(self) -> None:
        profile_keys(self.places.folder, "stranger")
        self.places.succeed(server("signers add stranger.crt --tls client-auth"))
        self.key = self.places.folder / "stranger.pem"


@dataclass(frozen=True)
class Step:
    """What a level means for whoever does not look anything up: what it is refused with, and what it has to learn."""

    level: Level
    says: dict[str, str] = field(default_factory=dict)
    learn: Callable[[Stranger], None] = lambda _stranger: None


STEPS = (
    Step(LEVELS[0]),
    Step(LEVELS[1]),
    Step(LEVELS[2], {"rhea": "refused", "jms": "Server offered: [PLAIN]"}, Stranger.sign_on),
    Step(LEVELS[3], {"rhea": "CF-BUS-160", "jms": "CF-BUS-160"}, Stranger.trust_the_server),
    Step(LEVELS[4], {"rhea": "refused", "jms": "refused JMSException"}, Stranger.have_a_certificate),
)


def test_unchanged_clients_are_refused_at_each_level_that_concerns_them_and_then_succeed(
    made: Places, clients: dict[str, Client]
) -> None:
    strangers = {name: Stranger(built(name, clients), made) for name in ("rhea", "jms")}
    ours = Ascent(made, lambda _line: None)
    for step in STEPS:
        ours._do(step.level.changes)
        for name, says in step.says.items():
            assert says in strangers[name].ask().refusal, (step.level.name, name)
        for refusal in step.level.refusals:
            ours._refused(refusal)
        for stranger in strangers.values():
            step.learn(stranger)
            # Java prints a map in its own way.
            assert stranger.ask().succeeded().messages in (
                ['{"weatherCondition":"Sunny"}'],
                ["{weatherCondition=Sunny}"],
            )
