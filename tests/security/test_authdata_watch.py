"""A watch puts changes in force by itself, and tells a failure once (AUTHD-3)."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from pathlib import Path

import pytest
from support_secrets import MARKER
from support_security import FakeStore

from connector.errors import AuthDataError, Reason
from connector.security.audit import MemoryAuditLog
from connector.security.authdata import AuthDataService
from connector.security.authdata_watch import StoreWatch
from connector.security.env_store import EnvironmentStore
from connector.security.key_file import KeyFile, generate_key
from connector.security.vault import FileVault
from connector.spi import AuthenticationData, Secret

TORN = Reason("CF-AUTHD-902", "the fake store is torn: {how}.", "Mend the test.")


class World:
    """A store, the service over it, and a watch; counts refreshes."""

    def __init__(self, store: FakeStore | FileVault | EnvironmentStore) -> None:
        self.audit = MemoryAuditLog()
        self.service = AuthDataService(store, self.audit)
        self.refreshes = 0
        self.watch = StoreWatch(store, self._refresh)

    def _refresh(self, reported: str) -> None:
        self.refreshes += 1
        self.service.refresh(reported=reported)


class Stamped(FakeStore):
    """A store with a stamp that a test sets."""

    mark: Hashable = 0
    lost = False

    def stamp(self) -> Hashable:
        if self.lost:
            raise AuthDataError(TORN, how="no stamp")
        return self.mark


def entry(password: str) -> AuthenticationData:
    return AuthenticationData("a", "u", Secret(password))


def test_the_first_look_reads_and_the_next_ones_only_what_changed() -> None:
    store = Stamped(entry("old"))
    world = World(store)
    for _ in range(3):
        world.watch.look()
    assert world.refreshes == 1
    store.content["a"], store.mark = entry("new"), 1
    world.watch.look()
    world.watch.look()
    assert world.refreshes == 2
    assert world.service.require("a").password == Secret("new")


def test_a_failure_is_told_once_and_the_last_good_data_stay_in_force(caplog: pytest.LogCaptureFixture) -> None:
    store = Stamped(entry("good"))
    world = World(store)
    world.watch.look()
    store.broken, store.mark = AuthDataError(TORN, how="in the middle"), 1
    with caplog.at_level(logging.INFO, "connector.security"):
        for _ in range(3):
            world.watch.look()
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert world.watch.failure == world.service.failure == str(store.broken)
        store.broken = AuthDataError(TORN, how="at the end")
        world.watch.look()  # another failure is news
        store.broken = None
        world.watch.look()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert [event.reason for event in world.audit.events] == ["CF-AUTHD-902", "CF-AUTHD-902"]
    assert (world.watch.failure, world.service.failure) == ("", "")
    assert world.service.require("a").password == Secret("good")


def test_while_it_fails_every_look_tries_again_since_the_key_may_be_what_was_put_right() -> None:
    store = Stamped(entry("good"))
    world = World(store)
    store.broken = AuthDataError(TORN, how="its key")
    world.watch.look()
    store.broken = None
    world.watch.look()  # with the same stamp
    assert world.watch.failure == ""


def test_a_stamp_that_cannot_be_had_is_a_failure_like_any_other() -> None:
    store = Stamped(entry("good"))
    world = World(store)
    store.lost, store.broken = True, AuthDataError(TORN, how="all of it")
    world.watch.look()
    world.watch.look()
    assert [event.reason for event in world.audit.events] == ["CF-AUTHD-902"]


def test_a_store_without_a_stamp_is_read_each_time() -> None:
    world = World(FakeStore(entry("old")))
    for _ in range(3):
        world.watch.look()
    assert world.refreshes == 3


def test_what_is_not_ours_is_told_by_its_type(caplog: pytest.LogCaptureFixture) -> None:
    store = Stamped(entry("good"))
    world = World(store)
    store.broken = ValueError(MARKER)
    world.watch.look()
    assert world.watch.failure == "ValueError"
    assert "ValueError" in caplog.text


def test_a_vault_is_watched_by_its_file_and_its_key(tmp_path: Path) -> None:
    key = tmp_path / "k"
    vault = FileVault(tmp_path / "v", generate_key(key))
    vault.put("a", "u", Secret("old"))
    world = World(vault)
    world.watch.look()
    world.watch.look()
    assert world.refreshes == 1
    FileVault(tmp_path / "v", KeyFile(key)).put("a", "u", Secret("new"))
    world.watch.look()
    assert world.service.require("a").password == Secret("new")
    key.chmod(0o644)  # a mistake with the key is noticed too
    world.watch.look()
    assert "CF-AUTHD-011" in world.watch.failure
    key.chmod(0o600)
    world.watch.look()
    assert world.watch.failure == ""
    (tmp_path / "v").write_text("torn")
    world.watch.look()
    assert "CF-AUTHD-020" in world.watch.failure
    assert world.service.require("a").password == Secret("new")


def test_mounted_secrets_are_watched(tmp_path: Path) -> None:
    """As an orchestrator replaces them: a link is turned to another folder."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "password").write_text(name)
    link = tmp_path / "current"
    link.symlink_to("one")
    prefix = "CONNECTOR_AUTH_DATA__A"
    environment = {f"{prefix}__USER": "u", f"{prefix}__PASSWORD_FILE": str(link / "password")}
    world = World(EnvironmentStore(environment=environment))
    world.watch.look()
    (tmp_path / "fresh").symlink_to("two")
    (tmp_path / "fresh").rename(link)
    world.watch.look()
    assert (world.service.require("a").password, world.service.require("a").version) == (Secret("two"), 2)
