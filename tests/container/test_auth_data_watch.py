"""A container that watches its authentication data: changes count by themselves, failures are shown (AUTHD-3)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from support_container import ProfileFolder, request

from connector import Container, Secret
from connector.container.periodic import Periodic
from connector.errors import AuthDataError


class Turns:
    """Lets a `Periodic` take its turns one by one, as a test says; in place of time."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._go = threading.Semaphore(0)
        self._waiting = threading.Semaphore(0)
        self.stop = False

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self._waiting.release()
        self._go.acquire()
        return self.stop

    def take(self) -> None:
        """One turn, until it is over."""
        assert self._waiting.acquire(timeout=10)
        self._go.release()
        assert self._waiting.acquire(timeout=10)
        self._waiting.release()

    def end(self) -> None:
        self.stop = True
        self._go.release()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[Turns]:
    """The watch of every container that is opened takes its turns from here."""
    made = Turns()

    def periodic(name: str, interval: float, action: Callable[[], object]) -> Periodic:
        return Periodic(name, interval, action, made.wait)

    monkeypatch.setattr("connector.container.auth_data_updates.Periodic", periodic)
    yield made
    made.end()


def figures(container: Container) -> dict[str, int]:
    pool: dict[str, int] = container.status()["resources"]["jms/shop"]["pool"]
    return pool


def watching(profile: ProfileFolder) -> Container:
    profile.edit('key = "file:vault.key"', 'key = "file:vault.key"\nwatch = "5s"')
    return profile.open()


def test_a_change_comes_into_force_at_the_next_look(profile: ProfileFolder, turns: Turns) -> None:
    section = '[resources."jms/shop"]'
    profile.edit(section, f'{section}\npool = {{ retire_policy = "purge-now" }}')
    with watching(profile) as container:
        turns.take()
        request(container, "alice", {"item": "tea"}, profile.password)
        assert figures(container)["free"] == 1
        profile.vault.put("shop-applications", "shop-applications", profile.password)
        turns.take()
        assert turns.waits[0] == 5.0
        assert (figures(container)["free"], figures(container)["destroyed"]) == (0, 1)  # signed on with the old version
        turns.end()


def test_a_wrong_edit_is_told_once_and_shown_until_it_is_put_right(profile: ProfileFolder, turns: Turns) -> None:
    vault = profile.folder / "auth-data.vault"
    good = vault.read_bytes()
    with watching(profile) as container:
        vault.write_text("torn")
        for _ in range(3):
            turns.take()
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
        failing = [finding for finding in container.findings() if finding.code == "CF-CTR-035"]
        assert ["CF-AUTHD-020" in finding.text for finding in failing] == [True]
        assert "CF-AUTHD-020" in container.status()["auth_data"]["error"]
        with pytest.raises(AuthDataError):
            container.update_auth_data()
        vault.write_bytes(good)
        turns.take()
        assert container.status()["auth_data"]["error"] is None
        assert [finding for finding in container.findings() if finding.code == "CF-CTR-035"] == []
        turns.end()
    log = (profile.folder / "state" / "audit.log").read_text()
    assert log.count('"CF-AUTHD-020"') == 2  # by the watch once, and by the one who asked


def test_without_the_setting_nothing_is_watched(profile: ProfileFolder, turns: Turns) -> None:
    with profile.open() as container:
        assert turns.waits == []
        profile.vault.put("shop-applications", "somebody-else", Secret("p"))
        assert container.status()["auth_data"]["generation"] == 1


def test_a_container_that_only_looks_on_watches_nothing(profile: ProfileFolder, turns: Turns) -> None:
    profile.edit('key = "file:vault.key"', 'key = "file:vault.key"\nwatch = "5s"')
    with profile.open(activate=False):
        assert turns.waits == []


def test_with_real_time_it_works_as_well_and_ends_with_the_container(profile: ProfileFolder) -> None:
    profile.edit('key = "file:vault.key"', 'key = "file:vault.key"\nwatch = "100ms"')
    heard = threading.Event()
    with profile.open() as container:
        container._parts.auth_data.subscribe(lambda _changed: heard.set())
        profile.vault.put("shop-applications", "shop-applications", profile.password)
        assert heard.wait(10)
    assert not [thread for thread in threading.enumerate() if thread.name.endswith("-auth-data")]
