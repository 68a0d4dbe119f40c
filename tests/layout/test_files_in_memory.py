"""Tests keep their files in memory where there is room."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from support_memory import keep_files_in_memory


@pytest.fixture(autouse=True)
def nobody_has_said_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", "")  # what comes after is taken back
    monkeypatch.delenv("TMPDIR")


def test_files_go_where_there_is_room(tmp_path: Path) -> None:
    assert keep_files_in_memory(tmp_path, enough=0)
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(tmp_path)


def test_files_stay_on_the_disk_where_memory_is_short(tmp_path: Path) -> None:
    assert not keep_files_in_memory(tmp_path, enough=2**80)
    assert "TMPDIR" not in os.environ


def test_files_stay_on_the_disk_where_nothing_is_in_memory(tmp_path: Path) -> None:
    assert not keep_files_in_memory(tmp_path / "none", enough=0)


def test_what_runs_the_tests_may_say_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/somewhere")
    assert not keep_files_in_memory(tmp_path, enough=0)
    assert os.environ["TMPDIR"] == "/somewhere"


def test_nothing_is_run_where_running_is_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(os.statvfs(tmp_path))
    found[8] |= os.ST_NOEXEC
    monkeypatch.setattr(os, "statvfs", lambda folder: os.statvfs_result(found))
    assert not keep_files_in_memory(tmp_path, enough=0)
