"""Shared by the whole suite: the secret scan, and what "missing" means in CI."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support_derivations import derive_cheaply, remember_derivations
from support_memory import keep_files_in_memory
from support_orphans import watch_programs
from support_secrets import MARKER

from connector import Secret


def pytest_configure(config: pytest.Config) -> None:
    """The processes that run tests are measured, the programs that tests start are not; results meet in one place."""
    watch_programs()
    keep_files_in_memory()
    remember_derivations()
    derive_cheaply()
    # Processes share the cores: how long an example takes says nothing about it.
    settings.register_profile("shared", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("shared")
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        os.environ.pop("COVERAGE_PROCESS_START", None)
    else:
        # It collects no contract itself: the reports of those that do come to this recorder.
        import connector.testing.collection  # noqa: F401  # sums up at the end
        from connector.testing.recording import RECORDER, Recorder

        config.stash[RECORDER] = Recorder()
        config.pluginmanager.register(config.stash[RECORDER], "connector-recorder")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """What has to stay in one process stays there."""
    from support_workers import SharedByRoom

    return SharedByRoom(config, log)


@pytest.fixture
def marker() -> Secret:
    """The password that must never be seen. Use it wherever a test needs one."""
    return Secret(MARKER)


class SecretWatch(logging.Handler):
    """Looks at every log record of the whole suite, rendered with its traceback as any handler would."""

    def __init__(self) -> None:
        super().__init__(level=logging.NOTSET)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.leaks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if MARKER in self.format(record):
            self.leaks.append(f"a log record of {record.name}")


@pytest.fixture(autouse=True)
def no_secret_in_a_log() -> Iterator[None]:
    """After each test: the marker password was in no log record, whatever its level (AUTHD-4)."""
    watch = SecretWatch()
    root = logging.getLogger()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    yield
    root.removeHandler(watch)
    root.setLevel(level)
    assert not watch.leaks, f"the marker password was seen in {', '.join(watch.leaks)}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a test printed, and the report of a failing one, must not show the marker either."""
    report = yield
    shown = [title for title, text in report.sections if MARKER in text]
    if MARKER in report.longreprtext:
        shown.append("its traceback")
    if shown and item.get_closest_marker("shows_marker") is None:
        report.outcome = "failed"
        report.longrepr = f"the marker password is visible in {', '.join(shown)}"
    return report
