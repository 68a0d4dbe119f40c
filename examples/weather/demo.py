"""`make demo`: one identity travels the whole circle; exits non-zero if any step differs from what it should be.

    python examples/weather/demo.py [--db postgresql|sqlite] [--profile FOLDER]

What is printed is read back from where it happened: the answers, the database, the exception destination, the security
audit log, and what the mediation logs of itself.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import logging
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from connector import Container
from connector.admin.attach import Administration
from connector.admin.profile import load_profile
from connector.errors import ConnectorError, RequestFailed
from demo_profile import Profile, make_profile
from demo_story import AuditTrail, RouteLog, StepDiffers, Story
from weather import export
from weather_postgresql import PostgreSQLServer, PostgreSQLUnavailable

EXCEPTIONS = "_SYSTEM.Exception.Destination.weather"


class Demo:
    """The weather service, started from a fresh profile."""

    def __init__(self, profile: Profile, container: Container, server: PostgreSQLServer | None) -> None:
        self.profile = profile
        self.container = container
        self.server = server
        self.story = Story()
        self.audit = AuditTrail(container.state_folder / "audit.log")
        self.route = RouteLog()
        logging.getLogger("weather").addHandler(self.route)

    def ask(self, user: str, location: str, day: str) -> str:
        """What a client does: log in, ask."""
        with self.container.login(user, self.profile.passwords[user]):
            return export.ask(self.container.application("export"), location, day)

    def the_circle(self, user: str, day: str, wanted: str, *, in_full: bool) -> None:
        """One request round the whole circle, with the identity that was in force at each hop."""
        self.audit.news()
        self.route.lines.clear()
        answer = self.ask(user, "UK", day)
        seen = {(e["action"], e["resource"]): e for e in self.audit.news() if e["who"] in {user, f"{user}@weather"}}
        who = f"{user}@weather"
        login, bus = seen[("login", "realm weather")], seen[("sign-on", "jms/weather")]
        connect, deliver = seen[("bus.connect", "weather")], seen[("deliver", "uk-weather:jms/forecast-requests")]
        signed_on = bus["details"]["explanation"]["answer"]
        asserted = (
            f"opened by user 'weather-applications' (alias 'weather-applications', version 1), working as '{who}'"
        )
        self.story.expect("sign-on to the bus", signed_on, f"{asserted}, from login configuration")
        if in_full:
            tell = self.story.tell
            tell("client", f"{who} logs in by password ({login['outcome']}) and asks for UK, {day}")
            tell("bus", f"{signed_on}; let in by {connect['reason']}")
            tell("mediation", self.route.lines[0])
            tell("handler", f"runs as {deliver['who']}, the identity in the message; allowed: {deliver['reason']}")
            tell("client", f"prints {answer}")
            tell("database", self.how_the_log_is_signed_on(seen))
        else:
            self.story.tell("client", f"{who} takes the same way, asks for UK, {day} and prints {answer}")
        self.story.expect("outcomes", {e["outcome"] for e in seen.values()}, {"success"})
        self.story.expect("mediation", self.route.lines, [f"forecast.requests: {who}'s request goes on to forecast.uk"])
        self.story.expect("handler", (deliver["who"], deliver["reason"]), (who, "in role forecaster"))
        self.story.expect(f"the answer to {user}", answer, wanted)

    def how_the_log_is_signed_on(self, seen: dict[tuple[str, str], dict[str, Any]]) -> str:
        """By the audit log, where the handler used it at all."""
        log = seen.get(("sign-on", "jdbc/forecast-log"), {"who": "nobody", "reason": "nothing"})
        by = "login configuration" if self.server is not None else "factory default"
        self.story.expect("sign-on to the log", (log["who"], log["reason"]), ("alice@weather", by))
        return f"jdbc/log is signed on for {log['who']} by {log['reason']}"

    def the_log(self) -> None:
        """What the database has to say of who wrote, through one pool."""
        query = "SELECT asked_by, connected_as, caller, day FROM forecast_log ORDER BY id"
        pool = self.container.status()["resources"]["jdbc/forecast-log"]["pool"]
        if self.server is not None:
            rows = [tuple(row) for row in self.server.run_sql(query, database="weather")]
            for asked_by, connected_as, _, day in rows:
                self.story.tell("database", f"row: current_user={asked_by}, session_user={connected_as}, {day}")
            wanted: list[tuple[str | None, ...]] = [
                ("alice", "forecast_pool", "alice", "Tuesday"),
                ("bob", "forecast_pool", "bob", "Friday"),
            ]
        else:
            with sqlite3.connect(self.profile.configuration.parent / "forecast-log.db") as connection:
                rows = connection.execute(query).fetchall()
            connection.close()
            for _, _, caller, day in rows:
                self.story.tell("database", f"row: caller={caller}, {day}")
            self.story.tell("", "SQLite has no users: who wrote is the handler's word, not the database's")
            wanted = [(None, None, "alice", "Tuesday"), (None, None, "bob", "Friday")]
        self.story.tell("pool", f"{pool['created']} physical connection served both callers")
        self.story.expect("rows, each written by its caller", rows, wanted)
        self.story.expect("physical connections", pool["created"], 1)

    def the_subscriber(self, opened: Any) -> None:
        """What was published while the circle ran, each under its caller's identity."""
        found = [opened.receive(timeout=10.0) for _ in range(2)]
        for message in found:
            condition = message.body["weatherCondition"]
            self.story.tell("topic", f"forecasts, {message.topic}: {condition}, from {message.identity}")
        published = [(message.topic, str(message.identity)) for message in found]
        wanted = [("UK/Tuesday", "alice@weather"), ("UK/Friday", "bob@weather")]
        self.story.expect("what was published", published, wanted)

    def another_country(self) -> None:
        """A request that leaves by a link for another bus, where its own policy is asked once more."""
        self.audit.news()
        answer = self.ask("alice", "FR", "Tuesday")
        (deliver,) = [event for event in self.audit.news() if event["action"] == "deliver"]
        self.story.tell("link", f"alice@weather asks for FR: handled on the bus france as {deliver['who']}")
        self.story.tell("client", f"prints {answer}")
        self.story.expect("the handler in France", (deliver["who"], deliver["outcome"]), ("alice@weather", "success"))
        self.story.expect("the answer from France", answer, "Windy")

    def the_refusals(self) -> None:
        """A caller without the role and a request without a route: refused, told why, and kept."""
        for user, location, code in (("carol", "UK", "CF-ENDP-010"), ("alice", "Atlantis", "CF-BUS-040")):
            try:
                answer = self.ask(user, location, "Tuesday")
            except RequestFailed as error:
                self.story.tell("refused", f"{user}, {location}: {error.details['fault_code']}")
                self.story.tell("", f"{error.details['fault_text']}")
                self.story.expect(f"the code for {user}", error.details["fault_code"], code)
            else:
                raise StepDiffers(f"{user} got {answer!r} for {location}, and should have been refused")
        admin = self.profile.passwords["admin"]
        with self.container.lookup("jms/weather").get_connection("admin", admin) as bus:
            kept = list(bus.browse(EXCEPTIONS))
        for message in kept:
            told = message.properties
            self.story.tell(
                "kept",
                f"{message.identity}'s {message.body}: {told['exception_reason']} at {told['exception_destination']} "
                f"after {told['exception_attempts']} attempt(s)",
            )
        found = sorted((str(message.identity), message.properties["exception_reason"]) for message in kept)
        self.story.expect("kept", found, [("alice@weather", "CF-BUS-040"), ("carol@weather", "CF-ENDP-010")])

    def the_replacement(self) -> None:
        """Another national service takes the place of the UK's while everything runs, by one command (DEMO-3)."""
        before = self.ask("alice", "UK", "Tuesday")
        key, value = "applications.uk-weather.application.handlers", '["weather.uk_rain"]'
        self.story.tell("operator", f"$ connector config set {key} '{value}'")
        done = self.command("config", "set", key, value)
        for line in done.splitlines():
            self.story.tell("", line)
        after = self.ask("alice", "UK", "Tuesday")
        self.story.tell("client", f"alice@weather asks for UK, Tuesday again and prints {after}, not {before}")
        self.story.expect("when it is in force", done.splitlines()[-1].rpartition(": ")[2], "live.")
        self.story.expect("the answers before and after", (before, after), ("Sunny", "Rain"))

    def the_second_front(self) -> None:
        """The same forecasts over HTTP, by configuration only, while everything runs (DEMO-3)."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        resource = (
            f'{{ adapter = "http", kind = "activation", properties = {{ listen = "127.0.0.1:{port}", '
            'path = "/forecast", destination = "forecast.requests" } }'
        )
        for key, value in (('resources."http/forecasts"', resource), ("applications.http-front", '"http-front.toml"')):
            self.story.tell("operator", f"$ connector config set {key} '{value}'")
            self.command("config", "set", key, value)
        answers = [self.post(port, user, "FR", "Tuesday") for user in ("alice", "carol")]
        (status, answer), (refused, _) = answers
        asked = f"POST /forecast as alice: {status}, {answer}"
        self.story.tell("HTTP", f"{asked}; as carol, who is no forecaster: {refused}")
        self.story.expect("over HTTP", (status, answer), (200, "Windy"))
        self.story.expect("over HTTP, refused", refused, 403)

    def post(self, port: int, user: str, location: str, day: str) -> tuple[int, Any]:
        """One request over HTTP, signed on by password."""
        pair = f"{user}:{self.profile.passwords[user].reveal()}".encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("POST", "/forecast", json.dumps({"location": location, "day": day}), headers)
            response = connection.getresponse()
            told = json.loads(response.read())
        finally:
            connection.close()
        return response.status, told.get("weatherCondition", told)

    def command(self, *arguments: str) -> str:
        """What a command prints, of another process, which logs in as the administrator."""
        folder = self.profile.configuration.parent
        password = folder / "admin.password"
        password.touch(mode=0o600)
        password.write_text(self.profile.passwords["admin"].reveal())
        login = ("--login", "admin", "--login-password-file", str(password))
        connector = str(Path(sys.executable).with_name("connector"))
        program = [connector, "-c", str(self.profile.configuration), *login]
        done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepDiffers(f"connector {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout.replace(f"{folder}/", "")

    def run(self) -> None:
        """The whole demo."""
        admin = self.profile.passwords["admin"]
        with self.container.lookup("jms/weather").get_connection("admin", admin) as operator:
            opened = operator.subscribe("forecasts", "UK/#")
            self.the_circle("alice", "Tuesday", "Sunny", in_full=True)
            self.the_circle("bob", "Friday", "Cloudy", in_full=False)
            self.the_subscriber(opened)
        self.the_log()
        self.another_country()
        self.the_refusals()
        self.the_replacement()
        self.the_second_front()


def start(options: argparse.Namespace, stack: ExitStack) -> Demo:
    """Database, profile, container: on the stack, to be stopped in reverse order."""
    server = None
    if options.db == "postgresql":
        server = stack.enter_context(PostgreSQLServer())
        ((version,),) = server.run_sql("SHOW server_version")
        print(f"Forecast log: PostgreSQL {version} on {server.host}:{server.port}, SCRAM, as an unprivileged user")
    else:
        print("Forecast log: SQLite, which has no users, so it can't enforce who writes (PostgreSQL does)")
    profile = make_profile(options.profile, server)
    administration = Administration(load_profile(profile.configuration, profile.overrides))
    container = Container.open(profile.configuration, overrides=profile.overrides, attach=administration)
    return Demo(profile, stack.enter_context(container), server)


def main() -> int:
    """Run the demo; 0 if every step came out as it should."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--db", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--profile", type=Path, default=here.parent.parent / "build" / "weather")
    options = parser.parse_args()
    logging.getLogger("weather").setLevel(logging.INFO)
    # Refusals are warnings to an operator; here they are part of the story, and told from where they are kept.
    logging.getLogger("connector_bus").setLevel(logging.ERROR)
    logging.getLogger("connector.endpoint").setLevel(logging.CRITICAL)
    logging.getLogger("connector_http").setLevel(logging.CRITICAL)
    # A terminated demo stops its servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    print("The weather service: one identity travels the whole circle", flush=True)
    try:
        with ExitStack() as stack:
            demo = start(options, stack)
            demo.run()
    except StepDiffers as error:
        print(f"DIFFERS: {error}", file=sys.stderr)
        return 1
    except PostgreSQLUnavailable as error:
        print(f"FAILED: no PostgreSQL here: {error}\n  `make demo DB=sqlite` does without it.", file=sys.stderr)
        return 3
    except ConnectorError as error:
        print(f"FAILED: {error}", file=sys.stderr)
        return error.exit_code
    print(f"All {demo.story.steps} steps came out as they should ({time.monotonic() - started:.1f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
