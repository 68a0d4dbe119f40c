"""All or nothing for the folder of a new profile (CONF-5)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from connector.admin.publish import BEFORE, publish
from connector.errors import ConfigError


def fill(folder: Path) -> None:
    (folder / "a.txt").write_text("new a")
    (folder / "last.txt").write_text("new last")
    (folder / "state").mkdir()


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text() if path.is_file() else "" for path in sorted(folder.rglob("*"))
    }


WHOLE = {"a.txt": "new a", "last.txt": "new last", "state": ""}


def test_a_new_folder_is_private_and_has_everything(tmp_path: Path) -> None:
    publish(tmp_path / "p" / "q", fill, last="last.txt")
    assert contents(tmp_path / "p" / "q") == WHOLE
    assert stat.S_IMODE((tmp_path / "p" / "q").stat().st_mode) == 0o700


def test_an_empty_folder_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inode = tmp_path.stat().st_ino
    publish(tmp_path, fill, last="last.txt")
    assert contents(tmp_path) == WHOLE
    assert tmp_path.stat().st_ino == inode


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(ConfigError) as caught:
        publish(tmp_path, fill, last="last.txt")
    assert caught.value.code == "CF-ADM-061"
    assert contents(tmp_path) == {"mine": "x"}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError) as caught:
        publish(tmp_path / "file", fill, last="last.txt")
    assert caught.value.code == "CF-ADM-062"


def test_with_force_what_is_in_the_way_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    (tmp_path / "a.txt").write_text("old a")
    publish(tmp_path, fill, last="last.txt", force=True)
    assert contents(tmp_path) == {**WHOLE, "mine": "x", BEFORE: "", f"{BEFORE}/a.txt": "old a"}


def test_what_an_earlier_force_kept_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("old a")
    (tmp_path / BEFORE).mkdir()
    with pytest.raises(ConfigError) as caught:
        publish(tmp_path, fill, last="last.txt", force=True)
    assert caught.value.code == "CF-ADM-063"
    assert contents(tmp_path) == {"a.txt": "old a", BEFORE: ""}


@pytest.mark.parametrize("existing", [False, True])
def test_a_filling_that_fails_leaves_nothing(tmp_path: Path, existing: bool) -> None:
    folder = tmp_path / "p"
    if existing:
        folder.mkdir()

    def fail(made: Path) -> None:
        fill(made)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        publish(folder, fail, last="last.txt")
    assert contents(tmp_path) == ({"p": ""} if existing else {})


@pytest.mark.parametrize("failing_step", range(5))
def test_a_move_that_fails_is_undone_at_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_step: int
) -> None:
    (tmp_path / "a.txt").write_text("old a")
    (tmp_path / "last.txt").write_text("old last")
    before = contents(tmp_path)
    rename, steps = os.rename, []

    def failing(source: object, target: object) -> None:
        steps.append(source)
        if len(steps) == failing_step + 1:
            raise OSError("disk full")
        rename(source, target)  # type: ignore[arg-type]  # what pathlib passes

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="disk full"):
        publish(tmp_path, fill, last="last.txt", force=True)
    assert contents(tmp_path) == before
