"""The audit log: a line an event, redacted by type, and never an exception (OPS-2)."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import pytest
from support_security import FixedClock

from connector.security.audit import FileAuditLog, MemoryAuditLog, audit_line
from connector.spi import AuditEvent, Outcome, Secret

EVENT = AuditEvent("login", "alice", "realm weather", Outcome.DENIED, "CF-SEC-010", {"attempt": 3})


def test_an_event_is_one_line_of_json_with_its_time(tmp_path: Path) -> None:
    path = tmp_path / "log" / "audit.jsonl"
    log = FileAuditLog(path, FixedClock(17.5))
    log.record(EVENT)
    log.record(EVENT)
    log.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0]) == {
        "at": 17.5,
        "action": "login",
        "who": "alice",
        "resource": "realm weather",
        "outcome": "denied",
        "reason": "CF-SEC-010",
        "details": {"attempt": 3},
    }


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    FileAuditLog(path).record(EVENT)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_name_cannot_forge_a_second_line() -> None:
    line = audit_line(AuditEvent("login", 'mallory"}\n{"who":"admin', "r", Outcome.DENIED))
    assert "\n" not in line
    assert json.loads(line)["who"].startswith("mallory")


def test_a_rotated_file_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = FileAuditLog(path)
    log.record(EVENT)
    path.rename(tmp_path / "audit.1")
    log.record(EVENT)
    assert len(path.read_text().splitlines()) == 1


def test_what_cannot_be_written_is_logged_and_not_raised(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = FileAuditLog(tmp_path)  # a folder, not a file
    with caplog.at_level(logging.ERROR):
        log.record(EVENT)
    assert "CF-SEC-010" in caplog.text
    FileAuditLog(tmp_path / "never-written").close()


def test_listeners_hear_stamped_events_and_may_fail(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[AuditEvent] = []

    def listen(event: AuditEvent) -> None:
        heard.append(event)
        raise RuntimeError("plugin")

    with caplog.at_level(logging.ERROR):
        FileAuditLog(tmp_path / "audit.jsonl", FixedClock(5.0), listen).record(EVENT)
    assert [event.at for event in heard] == [5.0]
    assert "RuntimeError" in caplog.text


def test_lines_of_many_threads_do_not_mix(tmp_path: Path) -> None:
    log = FileAuditLog(tmp_path / "audit.jsonl")

    def record_many() -> None:
        for _ in range(25):
            log.record(EVENT)

    threads = [threading.Thread(target=record_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert len(lines) == 100
    assert all(json.loads(line)["who"] == "alice" for line in lines)


def test_details_are_redacted_by_type(marker: Secret) -> None:
    class Holder:
        def __str__(self) -> str:
            return marker.reveal()

    details = {
        "secret": marker,
        "holder": Holder(),
        "list": [marker, 1],
        "set": {"b", "a"},
        "bytes": marker.reveal().encode(),
        "none": None,
    }
    line = audit_line(AuditEvent("x", "y", "z", Outcome.SUCCESS, details=details))
    assert marker.reveal() not in line
    assert json.loads(line)["details"] == {
        "secret": "****",
        "holder": "<Holder>",
        "list": ["****", 1],
        "set": ["a", "b"],
        "bytes": "<bytes>",
        "none": None,
    }


def test_the_memory_log_remembers_in_order() -> None:
    log = MemoryAuditLog(FixedClock(2.0))
    log.record(EVENT)
    log.record(AuditEvent("logout", "alice", "r", Outcome.SUCCESS))
    assert [(event.action, event.at) for event in log.events] == [("login", 2.0), ("logout", 2.0)]


def test_a_log_names_its_file(tmp_path: Path) -> None:
    assert str(tmp_path / "audit.jsonl") in repr(FileAuditLog(tmp_path / "audit.jsonl"))
