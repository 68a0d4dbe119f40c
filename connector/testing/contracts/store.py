"""The profile secret-store: authentication data that are kept, versioned, shared, guarded and never shown (AUTHD)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

import pytest

from connector.errors import AuthDataError
from connector.security.audit import MemoryAuditLog
from connector.security.authdata import AuthDataService
from connector.spi import (
    AuthenticationData,
    AuthenticationDataStore,
    Outcome,
    RotationProgress,
    Secret,
    StampedStore,
)
from connector.testing.contract import Contract
from connector.testing.disclosure import disclosures, watched_logs
from connector.testing.requirement import StoreFacet, requirement
from connector.testing.store_backend import StoreBackend

_PASSWORD = Secret("kit-Passwort-5e1f")
_ENTRIES = (
    AuthenticationData("ledger-batch", "batch", _PASSWORD, "for the kit"),
    AuthenticationData("payroll", "clerk", Secret("kit-other-password")),
)
_UNFIT = ("", " payroll", "payroll ", "pay\nroll", "pay\0roll")
_WRITERS, _CHANGES = 3, 4


class StoreContract(Contract):
    """Kept whole, versions only up, refused with a code, never shown; supply the fixture `connector_store`."""

    kind: ClassVar[str] = "store"

    @pytest.fixture
    def backend(self, connector_store: StoreBackend) -> StoreBackend:
        """The author's world, with a list that was never written."""
        connector_store.renew()
        return connector_store

    @pytest.fixture
    def store(self, backend: StoreBackend) -> AuthenticationDataStore:
        """A store with two entries."""
        backend.seed(_ENTRIES)
        return backend.store()

    @requirement("STORE-001", "A list that was never written is empty, and nothing is in it to remove.")
    def test_a_new_list_is_empty(self, backend: StoreBackend) -> None:
        store = backend.store()
        assert isinstance(store, AuthenticationDataStore)
        assert dict(store.load()) == {}
        if not store.read_only:
            assert store.remove("payroll") is False

    @requirement("STORE-002", "`load` answers each entry under its alias, whole, with a version from 1.")
    def test_load_answers_whole_entries(self, store: AuthenticationDataStore) -> None:
        loaded = store.load()
        assert {alias: _without_version(entry) for alias, entry in loaded.items()} == {
            entry.alias: _without_version(entry) for entry in _ENTRIES
        }
        assert all(entry.alias == alias and entry.version >= 1 for alias, entry in loaded.items())

    @requirement("STORE-003", "Two stores on one list answer the same; reading changes nothing.")
    def test_two_stores_read_the_same(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        assert dict(store.load()) == dict(backend.store().load()) == dict(store.load())

    @requirement("STORE-010", "`put` adds or replaces, and answers what `load` then has.", needs=StoreFacet.WRITING)
    def test_put_adds_and_replaces(self, store: AuthenticationDataStore) -> None:
        added = store.put("new", "somebody", _PASSWORD, "about it")
        replaced = store.put("payroll", "clerk-2", Secret("kit-changed-password"))
        loaded = store.load()
        assert (loaded["new"], loaded["payroll"]) == (added, replaced)
        assert (added.user, added.password, added.description) == ("somebody", _PASSWORD, "about it")
        assert (replaced.user, replaced.description) == ("clerk-2", "")
        assert set(loaded) == {"new", "payroll", "ledger-batch"}

    @requirement("STORE-011", "Versions rise with each change and never go down.", needs=StoreFacet.WRITING)
    def test_versions_only_rise(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        versions = [store.load()["payroll"].version]
        versions += [store.put("payroll", "u", Secret(f"kit-password-{number}")).version for number in range(2)]
        store.remove("payroll")
        versions.append(backend.store().put("payroll", "u", _PASSWORD).version)
        assert versions == sorted(set(versions))

    @requirement("STORE-012", "`remove` takes an entry out; False for an unknown alias.", needs=StoreFacet.WRITING)
    def test_remove_takes_out(self, store: AuthenticationDataStore) -> None:
        assert store.remove("payroll") is True
        assert store.remove("payroll") is False
        assert store.remove("never-heard-of") is False
        assert set(store.load()) == {"ledger-batch"}

    @requirement("STORE-013", "Texts of any script come back as they were.", needs=StoreFacet.WRITING)
    def test_any_script_comes_back(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        texts = ("Gehälter-口座", "Ωμέγα übergroß", "kit-пароль \"\\' 🔑 \t end", "für die 給与\nzwei Zeilen")
        store.put(texts[0], texts[1], Secret(texts[2]), texts[3])
        kept = backend.store().load()[texts[0]]
        assert (kept.alias, kept.user, kept.password, kept.description) == (
            texts[0], texts[1], Secret(texts[2]), texts[3],
        )  # fmt: skip

    @requirement("STORE-014", "An alias that can't be typed is refused, with a code.", needs=StoreFacet.WRITING)
    def test_an_unfit_alias_is_refused(self, store: AuthenticationDataStore) -> None:
        for alias in _UNFIT:
            _refusal(lambda alias=alias: store.put(alias, "u", _PASSWORD))  # type: ignore[misc]  # bound per turn
        assert set(store.load()) == {"payroll", "ledger-batch"}

    @requirement(
        "STORE-015", "An empty password is kept empty, or refused with a code; never becomes none or another.",
        needs=StoreFacet.WRITING,
    )  # fmt: skip
    def test_an_empty_password_stays_one_or_is_refused(self, store: AuthenticationDataStore) -> None:
        try:
            store.put("empty", "u", Secret(""))
        except AuthDataError:
            assert "empty" not in store.load()
        else:
            assert store.load()["empty"].password == Secret("")

    @requirement("STORE-016", "A change by one store is in the next `load` of another.", needs=StoreFacet.WRITING)
    def test_a_change_is_seen_by_others(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        store.load()
        changed = backend.store().put("payroll", "clerk", Secret("kit-changed-password"))
        assert store.load()["payroll"] == changed

    @requirement("STORE-017", "Writers at the same time lose nothing of each other's.", needs=StoreFacet.WRITING)
    def test_writers_lose_nothing(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        failures: list[BaseException] = []

        stores = [backend.store() for _ in range(_WRITERS)]  # each made before any of them writes
        together = threading.Barrier(_WRITERS)

        def write(writer: int) -> None:
            mine = stores[writer]
            try:
                together.wait()
                for number in range(_CHANGES):
                    mine.put(f"of-{writer}-{number}", "u", _PASSWORD)
                    mine.put("shared", f"u-{writer}-{number}", _PASSWORD)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(_WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        loaded = store.load()
        assert {f"of-{w}-{n}" for w in range(_WRITERS) for n in range(_CHANGES)} < set(loaded)
        assert loaded["shared"].version == _WRITERS * _CHANGES

    @requirement("STORE-020", "`read_only` tells the truth: where it is True, each change is refused with a code.")
    def test_read_only_tells_the_truth(self, store: AuthenticationDataStore) -> None:
        if store.read_only:
            before = dict(store.load())
            for change in (lambda: store.put("a", "u", _PASSWORD), lambda: store.remove("payroll"), store.rotate_key):
                _refusal(change)
            assert dict(store.load()) == before
        else:
            assert store.put("a", "u", _PASSWORD).alias == "a"

    @requirement("STORE-030", "After `rotate_key` all entries are there in their versions.", needs=StoreFacet.KEY)
    def test_rotation_keeps_everything(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        before, told = dict(store.load()), list[RotationProgress]()
        assert store.rotate_key(told.append) == len(before)
        assert dict(store.load()) == dict(backend.store().load()) == before
        assert (told[-1].done, told[-1].total) == (len(before), len(before))

    @requirement("STORE-031", "With a wrong key nothing is read and nothing is written over.", needs=StoreFacet.KEY)
    def test_a_wrong_key_is_refused(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        before, wrong = dict(store.load()), backend.with_wrong_key()
        for use in (wrong.load, lambda: wrong.put("a", "u", _PASSWORD), lambda: wrong.remove("payroll")):
            shown = disclosures(_refusal(use), _PASSWORD)
            assert not shown
        assert dict(store.load()) == before

    @requirement("STORE-040", "A list that can't be trusted is an error, never written over.", needs=StoreFacet.DAMAGE)
    def test_a_damaged_list_is_refused(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        before = dict(store.load())
        backend.damage()
        for each in (store, backend.store()):
            shown = disclosures(_refusal(each.load), _PASSWORD)
            assert not shown
            if not each.read_only:
                _refusal(lambda each=each: each.put("a", "u", _PASSWORD))  # type: ignore[misc]  # bound per turn
        backend.mend()
        assert dict(store.load()) == before

    @requirement("STORE-041", "A bad edit leaves the last good data in force, and is told.", needs=StoreFacet.DAMAGE)
    def test_the_last_good_data_stay_in_force(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        audit = MemoryAuditLog()
        service = AuthDataService(store, audit)
        before = service.snapshot()
        backend.damage()
        refusal = _refusal(service.refresh)
        assert service.snapshot() is before
        assert [(event.outcome, event.reason) for event in audit.events] == [(Outcome.FAILURE, refusal.code)]
        backend.mend()
        assert service.refresh() == frozenset()

    @requirement("STORE-050", "Its stamp changes with the list.", needs=(StoreFacet.STAMP, StoreFacet.WRITING))
    def test_the_stamp_changes_with_the_list(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        assert isinstance(store, StampedStore)
        stamps = [store.stamp(), store.stamp()]
        backend.store().put("payroll", "clerk", Secret("kit-changed-password"))
        stamps.append(store.stamp())
        backend.store().remove("payroll")
        stamps.append(store.stamp())
        assert stamps[0] == stamps[1]
        assert len(set(stamps)) == 3

    @requirement("STORE-060", "No password is in a text or pickle of store, list or entry, nor in a log.")
    def test_no_password_is_shown(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        with watched_logs(_PASSWORD) as talkative:
            loaded = store.load()
            if not store.read_only:
                store.put("again", "u", _PASSWORD)
                store.remove("again")
        assert talkative == []
        for value in (store, loaded, loaded["ledger-batch"]):
            shown = disclosures(value, _PASSWORD)
            assert not shown

    @requirement("STORE-061", "No password rests where others might read it.", needs=StoreFacet.REST)
    def test_no_password_rests_in_plain_text(self, backend: StoreBackend, store: AuthenticationDataStore) -> None:
        store.load()
        for entry in _ENTRIES:
            assert entry.password.reveal().encode() not in backend.at_rest()


def _refusal(use: Callable[[], object]) -> AuthDataError:
    """What it is refused with: an error of the framework's, with a code and something to do."""
    with pytest.raises(AuthDataError) as caught:
        use()
    assert caught.value.code
    assert caught.value.action
    return caught.value


def _without_version(entry: AuthenticationData) -> tuple[str, str, str, str]:
    return entry.alias, entry.user, entry.password.reveal(), entry.description
