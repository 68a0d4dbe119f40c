"""Authentication data in force: swapped as a whole, never worse than the last good (AUTHD-3)."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest
from support_secrets import shows_marker
from support_security import FakeStore

from connector.errors import AuthDataError, Reason
from connector.security.audit import MemoryAuditLog
from connector.security.authdata import AuthDataService
from connector.spi import AuthenticationData, Outcome, Secret

TORN = Reason("CF-AUTHD-900", "the fake vault is torn.", "Mend the test.")


def data(alias: str, password: str = "old", version: int = 1) -> AuthenticationData:
    return AuthenticationData(alias, f"{alias}-user", Secret(password), version=version)


def service(*entries: AuthenticationData) -> tuple[AuthDataService, FakeStore, MemoryAuditLog]:
    store, audit = FakeStore(*entries), MemoryAuditLog()
    return AuthDataService(store, audit), store, audit


def test_the_data_are_there_from_the_start() -> None:
    auth_data, _, _ = service(data("payroll"))
    assert auth_data.require("payroll").user == "payroll-user"


def test_an_unreadable_store_is_an_error_at_the_start() -> None:
    store = FakeStore()
    store.broken = AuthDataError(TORN)
    with pytest.raises(AuthDataError):
        AuthDataService(store, MemoryAuditLog())


def test_an_unknown_alias_tells_how_many_there_are_and_not_which() -> None:
    auth_data, _, _ = service(data("payroll"), data("batch"))
    assert auth_data.get("ledger") is None
    with pytest.raises(AuthDataError) as refused:
        auth_data.require("ledger")
    assert refused.value.code == "CF-AUTHD-001"
    assert "2 aliases" in str(refused.value)
    assert "payroll" not in str(refused.value)


def test_a_refresh_that_changes_nothing_keeps_generation_and_objects() -> None:
    auth_data, _, audit = service(data("payroll"))
    before, entry = auth_data.generation, auth_data.get("payroll")
    assert auth_data.refresh() == frozenset()
    assert (auth_data.generation, auth_data.get("payroll")) == (before, entry)
    assert auth_data.get("payroll") is entry
    assert audit.events == ()


def test_a_refresh_answers_what_is_new_gone_and_changed() -> None:
    auth_data, store, audit = service(data("kept"), data("gone"), data("changed"))
    before = auth_data.generation
    del store.content["gone"]
    store.content |= {"new": data("new"), "changed": data("changed", "new", 2)}
    assert auth_data.refresh() == {"new", "gone", "changed"}
    assert auth_data.generation == before + 1
    assert auth_data.require("changed").password.reveal() == "new"
    assert [(event.outcome, event.details["changed"]) for event in audit.events] == [
        (Outcome.SUCCESS, ["changed", "gone", "new"])
    ]


def test_a_failed_refresh_keeps_the_last_good_data_and_is_audited() -> None:
    auth_data, store, audit = service(data("payroll"))
    before = auth_data.generation
    store.broken = AuthDataError(TORN)
    with pytest.raises(AuthDataError):
        auth_data.refresh()
    assert auth_data.require("payroll").password.reveal() == "old"
    assert auth_data.generation == before
    assert [(event.outcome, event.reason) for event in audit.events] == [(Outcome.FAILURE, "CF-AUTHD-900")]


def test_a_changed_password_gets_a_higher_version_even_if_the_store_forgot() -> None:
    auth_data, store, _ = service(data("payroll"))
    store.content["payroll"] = data("payroll", "new", version=1)
    assert auth_data.refresh() == {"payroll"}
    assert auth_data.require("payroll").version == 2
    assert auth_data.refresh() == frozenset()


def test_an_alias_that_comes_back_supersedes_its_former_life() -> None:
    auth_data, store, _ = service(data("payroll", version=7))
    del store.content["payroll"]
    auth_data.refresh()
    store.content["payroll"] = data("payroll", version=1)
    auth_data.refresh()
    assert auth_data.require("payroll").version == 8


def test_a_higher_version_of_the_same_password_counts_as_changed() -> None:
    auth_data, store, _ = service(data("payroll"))
    store.content["payroll"] = replace(store.content["payroll"], version=2)
    assert auth_data.refresh() == {"payroll"}


def test_listeners_hear_what_changed_once_it_is_in_force() -> None:
    auth_data, store, _ = service(data("payroll"))
    heard: list[tuple[frozenset[str], int]] = []
    end = auth_data.subscribe(lambda changed: heard.append((changed, auth_data.require("payroll").version)))
    auth_data.refresh()
    assert heard == []
    store.content["payroll"] = data("payroll", "new", 2)
    auth_data.refresh()
    assert heard == [(frozenset({"payroll"}), 2)]
    end()
    end()
    store.content["payroll"] = data("payroll", "newer", 3)
    auth_data.refresh()
    assert len(heard) == 1


def test_a_listener_that_raises_keeps_the_news_from_nobody(caplog: pytest.LogCaptureFixture, marker: Secret) -> None:
    auth_data, store, _ = service(data("payroll"))
    heard: list[frozenset[str]] = []

    def broken(changed: frozenset[str]) -> None:
        raise ValueError(marker.reveal())

    auth_data.subscribe(broken)
    auth_data.subscribe(heard.append)
    store.content["payroll"] = data("payroll", "new", 2)
    with caplog.at_level(logging.ERROR):
        auth_data.refresh()
    assert heard == [{"payroll"}]
    assert "ValueError" in caplog.text


def test_readers_on_other_threads_see_one_snapshot_or_the_other() -> None:
    auth_data, store, _ = service(data("a", "p0"), data("b", "p0"))
    mixed: list[tuple[str, str]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            snapshot = auth_data.snapshot()
            pair = snapshot["a"].password.reveal(), snapshot["b"].password.reveal()
            if pair[0] != pair[1]:
                mixed.append(pair)

    thread = threading.Thread(target=read)
    thread.start()
    for number in range(1, 50):
        store.content = {alias: data(alias, f"p{number}", number + 1) for alias in ("a", "b")}
        auth_data.refresh()
    done.set()
    thread.join()
    assert mixed == []


def test_a_snapshot_cannot_be_changed() -> None:
    auth_data, _, _ = service(data("payroll"))
    with pytest.raises(TypeError):
        auth_data.snapshot()["payroll"] = data("payroll")  # type: ignore[index]  # the point: it is read-only


def test_no_password_is_shown(marker: Secret) -> None:
    auth_data, store, audit = service(data("payroll", marker.reveal()))
    store.content["payroll"] = data("payroll", marker.reveal() + "2", 2)
    auth_data.refresh()
    for shown in (auth_data, auth_data.get("payroll"), auth_data.snapshot(), audit.events):
        assert not shows_marker(shown)
    with pytest.raises(AuthDataError) as refused:
        auth_data.require("ledger")
    assert not shows_marker(refused.value)
