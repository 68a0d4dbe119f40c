"""The decision log: what is read again after a kill, at whichever byte, and what is refused."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from connector.errors import ConfigError, OutcomeUnknown, TransactionError
from connector.transactions import decision_log
from connector.transactions.decision_log import DecisionLog
from connector.transactions.records import BranchRecord, Record, Standing, encode, line_of


def commit(unit: str, *branches: str) -> Record:
    return Record(Standing.COMMIT, unit, tuple(BranchRecord(branch, "jdbc/ledger") for branch in branches))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "decisions.log"


def opened(path: Path) -> DecisionLog:
    return DecisionLog(path, "tested")


def reopened(log: DecisionLog, path: Path) -> DecisionLog:
    log.close()
    return opened(path)


def test_what_was_decided_is_read_by_the_next_start(path: Path) -> None:
    log = opened(path)
    records = [
        commit("u1", "u1:1", "u1:2"),
        Record(Standing.LAST_RESOURCE, "u2", (BranchRecord("u2:1", "a"),), BranchRecord("u2:2", "b"), "xid 7"),
        Record(Standing.PREPARED, "u3", (BranchRecord("u3:1", "a"),), xid="from afar"),
    ]
    for record in records:
        log.decide(record)
    again = reopened(log, path)
    assert list(again.open_units.values()) == records
    again.close()


def test_what_is_done_is_forgotten(path: Path) -> None:
    log = opened(path)
    log.decide(commit("u1"))
    log.decide(commit("u2"))
    log.note(Record(Standing.DONE, "u1"))
    again = reopened(log, path)
    assert list(again.open_units) == ["u2"]
    assert len(path.read_bytes().splitlines()) == 2, "the start has shortened the file"
    again.close()


def test_each_start_is_another_incarnation_of_the_same_folder(path: Path) -> None:
    first = opened(path)
    second = reopened(first, path)
    assert (first.owner.incarnation, second.owner.incarnation) == (1, 2)
    assert second.owner.is_ours(first.owner.unit(1) + ":1")
    second.close()


def test_another_folders_branches_are_not_ours(tmp_path: Path) -> None:
    one, other = opened(tmp_path / "one"), opened(tmp_path / "other")
    assert not other.owner.is_ours(one.owner.unit(1) + ":1")
    assert not other.owner.is_ours("somebody's own transaction")
    one.close()
    other.close()


def test_an_identifier_is_short_and_plain_whatever_the_containers_name(path: Path) -> None:
    log = DecisionLog(path, "Wetter 'für' \"alle\" " * 20)
    branch = log.owner.unit(10**12) + ":1000"
    assert len(branch) <= 128
    assert branch.isascii()
    assert branch.isprintable()
    assert not {"'", '"', " "} & set(branch)
    assert log.owner.is_ours(branch)
    log.close()


def test_a_kill_at_any_byte_of_a_line_leaves_what_was_decided_before(path: Path) -> None:
    log = opened(path)
    log.decide(commit("u1", "u1:1"))
    before = path.read_bytes()
    line = encode(commit("u2", "u2:1"))
    log.close()
    for length in range(len(line)):
        path.write_bytes(before + line[:length])
        again = opened(path)
        assert list(again.open_units) == ["u1"]
        again.close()


def test_a_damaged_line_in_the_middle_is_refused_with_its_number(path: Path) -> None:
    log = opened(path)
    log.decide(commit("u1", "u1:1"))
    log.decide(commit("u2", "u2:1"))
    log.close()
    path.write_bytes(path.read_bytes().replace(b'"u1:1"', b'"u9:1"'))
    with pytest.raises(ConfigError, match="line 2") as caught:
        opened(path)
    assert caught.value.code == "CF-TX-030"


def test_an_empty_file_is_damaged_rather_than_new(path: Path) -> None:
    path.touch()
    with pytest.raises(ConfigError) as caught:
        opened(path)
    assert caught.value.code == "CF-TX-030"


def test_a_newer_format_is_refused_and_left_as_it_is(path: Path) -> None:
    header = line_of({"format": 2, "container": "tested", "folder": "f", "incarnation": 1, "more": True})
    path.write_bytes(header)
    with pytest.raises(ConfigError, match="format 2") as caught:
        opened(path)
    assert caught.value.code == "CF-TX-031"
    assert path.read_bytes() == header


def test_it_is_readable_by_its_owner_only(path: Path) -> None:
    opened(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_it_is_shortened_when_it_has_grown(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decision_log, "_COMPACT_AFTER", 2000)
    log = opened(path)
    log.decide(commit("kept", "kept:1"))
    largest = 0
    for number in range(200):
        log.decide(commit(f"u{number}", f"u{number}:1"))
        log.note(Record(Standing.DONE, f"u{number}"))
        largest = max(largest, path.stat().st_size)
    assert largest < 3000
    again = reopened(log, path)
    assert list(again.open_units) == ["kept"]
    again.close()


def test_a_decision_that_finds_no_room_is_taken_back_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(path)
    log.decide(commit("u1"))
    write = os.write

    def half(descriptor: int, line: bytes) -> int:
        write(descriptor, line[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", half)
        with pytest.raises(TransactionError, match="No space left") as caught:
            log.decide(commit("u2"))
    assert caught.value.code == "CF-TX-033"
    log.decide(commit("u3"))
    again = reopened(log, path)
    assert list(again.open_units) == ["u1", "u3"]
    again.close()


def test_a_decision_that_may_not_have_reached_the_disk_is_nobodys_guess(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(path)

    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(OutcomeUnknown) as caught:
            log.decide(commit("u1"))
    assert caught.value.code == "CF-TX-034"
    assert log.failed
    with pytest.raises(TransactionError) as refused:
        log.decide(commit("u2"))
    assert refused.value.code == "CF-TX-033"
    again = reopened(log, path)
    assert list(again.open_units) == ["u1"]
    again.close()


def test_threads_that_decide_at_once_are_brought_down_together(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(path)
    fsync, write, count, written = os.fsync, os.write, 0, 0
    all_written = threading.Event()

    def counted(descriptor: int) -> None:
        nonlocal count
        count += 1
        assert all_written.wait(10)
        fsync(descriptor)

    def last_one_opens_the_way(descriptor: int, line: bytes) -> int:
        nonlocal written
        written += 1
        if written == 8:
            all_written.set()
        return write(descriptor, line)

    monkeypatch.setattr(os, "fsync", counted)
    monkeypatch.setattr(os, "write", last_one_opens_the_way)
    threads = [threading.Thread(target=log.decide, args=(commit(f"u{number}"),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.undo()
    assert count <= 2
    again = reopened(log, path)
    assert len(again.open_units) == len(threads)
    again.close()
