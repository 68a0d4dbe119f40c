"""The commands, with and without a running container (OPS-1, CONF-7)."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import click
import pytest
from support_admin import MARKER, Commands, FakeFinding, fake_plan

from connector.admin import password_input
from connector.admin.commands import version as version_module
from connector.admin.endpoint import AdminEndpoint
from connector.admin.main import main
from connector.errors import ConnectionFailed, Reason
from connector.security.login_outcome import ModuleResult

UNREACHABLE = Reason("CF-TEST-ADM-011", "nobody answers.", "Look there.")
DOWN = Reason("CF-TEST-ADM-010", "the database is down.", "Start it.")


# --- where no container runs: whoever owns the files may -------------------------------------------------------------


def test_explain_prints_the_steps_and_the_answer(commands: Commands) -> None:
    result = commands("explain", "orders:jdbc/ledger", "--as", "alice")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "sign-on of orders:jdbc/ledger for alice",
        "  - component alias (rejected): none",
        "  + login (taken)",
        "    + module table (taken): alias ledger",
        "=> ledger",
    ]
    assert len(commands.opened) == 1


def test_explain_for_programs_is_the_same_explanation(commands: Commands) -> None:
    assert commands.json("explain", "r", "--as", "alice")["steps"][1]["steps"][0]["what"] == "module table"


def test_explain_takes_modules_answers_for_given(commands: Commands) -> None:
    result = commands("explain", "r", "--suppose", "one-to-one=ignored", "--suppose", "other=failed")
    assert result.exit_code == 0
    assert commands.world.container.supposed == {"one-to-one": ModuleResult.IGNORED, "other": ModuleResult.FAILURE}


@pytest.mark.parametrize("wrong", ["one-to-one", "one-to-one=maybe", "=failed"])
def test_what_supposes_nothing_is_refused(commands: Commands, wrong: str) -> None:
    result = commands("explain", "r", "--suppose", wrong)
    assert result.exit_code == 2
    assert "CF-ADM-034" in result.stderr
    assert "succeeded, ignored, failed" in result.stderr


@pytest.mark.parametrize("arguments", [("--json", "status"), ("status", "--json")])
def test_shared_options_may_stand_before_or_after_the_command(commands: Commands, arguments: tuple[str, ...]) -> None:
    assert json.loads(commands(*arguments).stdout)["name"] == "weather"


def test_status_for_people_is_an_indented_list(commands: Commands) -> None:
    assert commands("status").stdout.splitlines() == [
        "name: weather",
        "adapters: bus, sql",
        "resources:",
        "  jdbc/ledger:",
        "    adapter: sql",
    ]


def test_test_connection_says_to_what_and_as_whom(commands: Commands) -> None:
    assert commands("test-connection", "r", "--as", "alice").stdout.splitlines() == [
        "r: connected to FakeDB 1.0 as alice",
        "  signed on to jdbc/ledger as batch by component alias",
    ]
    plain = commands.json("test-connection", "r", "--as", "alice")
    assert (plain["user"], plain["signed_on_as"], plain["source"]) == ("alice", "batch", "component alias")
    assert plain["explanation"]["answer"] == "batch"


def test_a_failing_test_connection_tells_its_causes_and_how_far_the_sign_on_came(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_reference: str, *, caller: str | None) -> None:
        refused = ConnectionFailed(UNREACHABLE, explanation=fake_plan("jdbc/ledger").explanation)
        raise refused from ConnectionRefusedError(111, f"as told by a driver that quotes {MARKER}")

    monkeypatch.setattr(commands.world.container, "test_connection", fail)
    result = commands("test-connection", "r")
    assert result.stderr.splitlines() == [
        "sign-on of ledger",
        "  + component alias (taken)",
        "=> batch",
        "CF-TEST-ADM-011: nobody answers.",
        "  caused by ConnectionRefusedError: Connection refused",
        "  Look there.",
    ]
    told = json.loads(commands("test-connection", "r", "--json").stdout)["error"]
    assert told["causes"] == ["ConnectionRefusedError: Connection refused"]
    assert MARKER not in result.output


def test_an_unreachable_system_has_an_exit_code_of_its_own(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_reference: str, *, caller: str | None) -> None:
        raise ConnectionFailed(DOWN)

    monkeypatch.setattr(commands.world.container, "test_connection", fail)
    result = commands("test-connection", "r")
    assert result.exit_code == 3
    assert (result.stdout, result.stderr) == ("", "CF-TEST-ADM-010: the database is down.\n  Start it.\n")


def test_a_failure_for_programs_is_one_object_on_standard_output(commands: Commands) -> None:
    result = commands("lookup", "jdbc/nothing", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["error"] == {
        "code": "CF-TEST-ADM-002", "text": "no name 'jdbc/nothing'.", "action": "Look it up.", "exit_code": 2
    }  # fmt: skip
    assert result.stderr == ""


def test_check_without_errors_succeeds_and_with_errors_does_not(commands: Commands) -> None:
    commands.world.container.posture = [FakeFinding("warning")]
    assert commands("check").exit_code == 0
    commands.world.container.posture = [FakeFinding("error")]
    result = commands("check", "other.toml")
    assert result.exit_code == 1
    assert "error: CF-TEST-ADM-003: container: something is so" in result.stdout
    assert json.loads(commands("check", "--json").stdout)[0]["severity"] == "error"


def test_users_are_changed_in_the_files_without_opening_a_container(commands: Commands) -> None:
    assert commands("users", "add", "bob", "--group", "staff", "--password-stdin", stdin="pw\n").exit_code == 0
    assert commands("users", "groups", "bob", "clients", "staff").exit_code == 0
    assert commands("users", "passwd", "bob", "--password-stdin", stdin="pw2\n").exit_code == 0
    assert commands("users", "remove", "alice").exit_code == 0
    assert commands.json("users", "list") == [{"user": "bob", "groups": ["clients", "staff"]}]
    assert commands.world.registry.passwords["bob"].reveal() == "pw2"
    assert commands.opened == []


def test_what_is_done_to_the_files_is_audited_as_done_by_their_owner(commands: Commands) -> None:
    commands("users", "remove", "alice")
    commands("users", "remove", "alice")
    done, failed = commands.audit.events
    assert (done.action, done.outcome.value, done.reason) == ("admin.users.remove", "success", "file ownership")
    assert (failed.outcome.value, failed.reason) == ("failure", "CF-ADM-042")


def test_aliases_are_set_listed_and_removed_and_no_password_is_shown(
    commands: Commands, caplog: pytest.LogCaptureFixture
) -> None:
    setting = commands("auth-data", "set", "ledger", "--user", "batch", "--password-stdin", stdin=f"{MARKER}\n")
    listing, plain = commands("auth-data", "list"), commands("auth-data", "list", "--json")
    assert commands.world.store.entries["ledger"].password.reveal() == MARKER
    assert "batch" in listing.stdout
    assert json.loads(plain.stdout) == [{"alias": "ledger", "user": "batch", "description": "", "version": 1}]
    assert commands("auth-data", "rotate-key").stdout == "Encrypted 1 entries under a new key.\n"
    assert commands("auth-data", "remove", "ledger").exit_code == 0
    seen = "".join(result.output for result in (setting, listing, plain))
    assert MARKER not in seen + caplog.text + repr(commands.audit.events)


def test_a_refresh_without_a_container_says_that_there_is_none(commands: Commands) -> None:
    assert "No container runs here" in commands("auth-data", "refresh").stdout


def test_no_password_option_takes_the_password_itself() -> None:
    def options(command: click.Command) -> list[str]:
        with click.Context(command) as context:
            if isinstance(command, click.Group):
                names = command.list_commands(context)
                return [name for child in names for name in options(command.get_command(context, child) or command)]
        return [
            name
            for option in command.params
            if isinstance(option, click.Option) and not option.is_flag and not isinstance(option.type, click.Path)
            for name in option.opts
        ]

    found = options(main)
    assert "--as" in found
    assert [name for name in found if "pass" in name] == []


def test_a_message_is_sent_browsed_and_received(commands: Commands) -> None:
    sign_on = ("--as", "alice", "--password-stdin")
    sent = commands.json("send", "weather", "q", '{"day": "Tuesday"}', *sign_on, stdin="wonder\n")
    assert sent == {"destination": "q", "message_id": "m1"}
    assert commands.json("browse", "weather", "q")[0]["body"] == {"day": "Tuesday"}
    shown = commands("receive", "weather", "q").stdout
    assert shown == 'm1 from alice@test\n{"day": "Tuesday"}\n'
    assert commands.world.container.bus.users == ["alice", None, None]


def test_a_body_may_come_from_standard_input(commands: Commands) -> None:
    commands("send", "weather", "q", "-", stdin="text of many\nlines\n")
    assert commands.world.container.bus.queues["q"][0].body == "text of many\nlines\n"


def test_standard_input_does_not_give_both_body_and_password(commands: Commands) -> None:
    result = commands("send", "weather", "q", "-", "--as", "alice", "--password-stdin", stdin="wonder\n")
    assert (result.exit_code, result.stderr.split(":")[0]) == (2, "CF-ADM-016")


def test_a_password_without_a_user_is_refused(commands: Commands) -> None:
    result = commands("browse", "weather", "q", "--password-stdin", stdin="wonder\n")
    assert (result.exit_code, result.stderr.split(":")[0]) == (2, "CF-ADM-017")


def test_no_message_within_the_timeout_is_exit_code_1(commands: Commands) -> None:
    result = commands("receive", "weather", "q", "--timeout", "0")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "No message on q within 0 s.\n")
    assert commands("receive", "weather", "q", "--timeout", "0", "--json").stdout == "null\n"


def test_a_request_prints_the_reply(commands: Commands) -> None:
    assert '{"weatherCondition": "Sunny"}' in commands("request", "weather", "q", '{"location": "UK"}').stdout


# --- where one runs: it decides by login and role --------------------------------------------------------------------


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "boss.password"
    path.write_text(f"{MARKER}\n")
    return str(path)


def test_a_running_container_is_asked_and_none_is_opened(
    commands: Commands, running: AdminEndpoint, password_file: str
) -> None:
    result = commands("--login", "boss", "explain", "r", "--login-password-file", password_file)
    assert result.exit_code == 0, result.output
    assert commands.opened == []
    assert commands.world.container.audit.events[0].who == "boss@test"


def test_a_running_container_refuses_whoever_does_not_log_in(commands: Commands, running: AdminEndpoint) -> None:
    result = commands("users", "remove", "alice")
    assert (result.exit_code, result.stderr.split(":")[0]) == (1, "CF-ADM-020")
    assert commands.world.registry.user_exists("alice")


def test_a_role_that_is_missing_is_named(
    commands: Commands, running: AdminEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p").write_text("look\n")
    monkeypatch.setenv("CONNECTOR_LOGIN", "monty")
    monkeypatch.setenv("CONNECTOR_LOGIN_PASSWORD_FILE", str(tmp_path / "p"))
    assert commands("users", "list").exit_code == 0
    result = commands("users", "remove", "alice")
    assert (result.exit_code, result.stderr.split(":")[0]) == (1, "CF-ADM-021")
    assert "administrator" in result.stderr


def test_at_a_terminal_the_login_is_asked_for_once_it_is_needed(
    commands: Commands, running: AdminEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_input, "is_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: MARKER)
    result = commands("auth-data", "refresh", stdin="boss\n")
    assert result.exit_code == 0, result.output
    assert result.stdout == "Read again; changed: ledger.\n"
    assert MARKER not in result.output


def test_a_changed_alias_is_in_force_in_the_running_container(
    commands: Commands, running: AdminEndpoint, password_file: str
) -> None:
    login = ("--login", "boss", "--login-password-file", password_file)
    result = commands(*login, "auth-data", "set", "a", "--user", "u", "--password-stdin", stdin="p\n")
    assert result.stdout == "Set alias a (version 1). In force in the running container.\n"
    assert commands.world.container.refreshes == 1


def test_on_a_running_container_messages_are_sent_as_the_one_who_signs_on(
    commands: Commands, running: AdminEndpoint
) -> None:
    assert commands("send", "weather", "q", "x", "--as", "alice", "--password-stdin", stdin="wonder\n").exit_code == 0
    refused = commands("send", "weather", "q", "x", "--as", "alice", "--password-stdin", stdin="guess\n")
    assert (refused.exit_code, refused.stderr.split(":")[0]) == (1, "CF-TEST-ADM-001")
    assert commands.world.container.bus.users == ["alice"]
    assert commands.opened == []


def test_the_administrator_of_login_is_not_whom_messages_are_sent_as(
    commands: Commands, running: AdminEndpoint, password_file: str
) -> None:
    assert commands("--login", "boss", "--login-password-file", password_file, "send", "w", "q", "x").exit_code == 0
    assert commands.world.container.bus.users == [None]


# --- the boundary ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [("snd",), ("explain",), ("receive", "b", "q", "--timeout", "-1"), ("--nonsense",)]
)
def test_wrong_usage_is_exit_code_2_with_a_code(commands: Commands, arguments: tuple[str, ...]) -> None:
    result = commands(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.split(":")[0]) == (2, "", "CF-ADM-003")
    plain = commands(*arguments, "--json")
    assert json.loads(plain.stdout)["error"]["code"] == "CF-ADM-003"


def test_a_defect_is_one_line_with_its_type_and_no_text(commands: Commands) -> None:
    commands.world.container.defect = RuntimeError(f"password {MARKER}")
    result = commands("explain", "r")
    assert result.exit_code == 1
    assert result.stderr.startswith("CF-ADM-001: RuntimeError: this is a defect")
    assert "Traceback" not in result.output
    assert MARKER not in result.output


def test_the_traceback_is_shown_to_whoever_asks_for_it(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTOR_DEBUG", "1")
    commands.world.container.defect = RuntimeError("here")
    assert "Traceback" in commands("explain", "r").stderr


def test_ctrl_c_ends_a_command_with_130(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.world.container, "status", interrupt)
    result = commands("status")
    assert (result.exit_code, result.stderr.strip().splitlines()[-1]) == (130, "CF-ADM-002: interrupted.")


def test_help_has_examples_and_exit_codes(commands: Commands) -> None:
    shown = commands("--help").stdout
    assert "connector init weather" in shown
    assert "130 interrupted" in shown


@pytest.mark.parametrize("name", ["init", "run", "check", "auth-data", "users", "send", "plugins", "lookup"])
def test_every_command_explains_itself(commands: Commands, name: str) -> None:
    result = commands(name, "--help")
    assert (result.exit_code, result.stderr) == (0, "")


def test_version_needs_no_configuration(commands: Commands) -> None:
    assert version_module.version.name == "version"
    assert set(commands.json("version")) == {"version", "spi", "python"}
