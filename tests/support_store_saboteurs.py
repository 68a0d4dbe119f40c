"""Stores that each break some requirement of the profile secret-store; run by tests/kit/test_the_kit.py."""

# ruff: noqa: N801 - what is sabotaged is named like what it stands for

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from connector.errors import AuthDataError, Reason
from connector.spi import AuthenticationData, ProgressListener, RotationProgress, Secret
from connector.testing import StoreBackend, StoreContract

REFUSED = Reason("CF-SABOTEUR-002", "refused.", "Mend the test.")


class List:
    """A list in memory; `key` is what opens it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: dict[str, AuthenticationData] = {}
        self.versions: dict[str, int] = {}
        self.revision = 0
        self.key = 0
        self.damaged = False
        self.plain = b""


class Store:
    """The honest store, which each saboteur spoils."""

    read_only = False

    def __init__(self, kept: List, key: int) -> None:
        self.kept, self.key = kept, key

    def load(self) -> Mapping[str, AuthenticationData]:
        self.check()
        return dict(self.kept.entries)

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        if not alias or alias != alias.strip() or not alias.isprintable():
            raise AuthDataError(REFUSED)
        self.check()
        with self.kept.lock:
            version = self.kept.versions.get(alias, 0) + 1
            entry = AuthenticationData(alias, user, password, description, version)
            self.kept.entries[alias], self.kept.versions[alias] = entry, version
            self.kept.revision += 1
        return entry

    def remove(self, alias: str) -> bool:
        self.check()
        self.kept.revision += 1
        return self.kept.entries.pop(alias, None) is not None

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        self.check()
        count = len(self.kept.entries)
        if report is not None:
            report(RotationProgress(count, count))
        return count

    def stamp(self) -> Hashable:
        return self.kept.revision

    def check(self) -> None:
        if self.kept.damaged or self.key != self.kept.key:
            raise AuthDataError(REFUSED)


class Backend(StoreBackend):
    """Lists in memory."""

    name = "saboteur"

    def __init__(self, kind: Callable[[List, int], Any]) -> None:
        self.kind = kind
        self.kept = List()

    def renew(self) -> None:
        self.kept = List()

    def store(self) -> Any:
        return self.kind(self.kept, 0)

    def with_wrong_key(self) -> Any:
        return self.kind(self.kept, 1)

    def damage(self) -> None:
        self.kept.damaged = True

    def mend(self) -> None:
        self.kept.damaged = False

    def at_rest(self) -> bytes:
        return self.kept.plain


class SabotagedStore(StoreContract):
    breaks: ClassVar[tuple[str, ...]] = ()
    store_class: ClassVar[type[Store]] = Store

    @pytest.fixture
    def connector_store(self) -> Backend:
        return Backend(type(self).store_class)


class TestIsNeverEmpty(SabotagedStore):
    breaks = ("STORE-001",)

    class store_class(Store):
        def load(self) -> Mapping[str, AuthenticationData]:
            return {"built-in": AuthenticationData("built-in", "u", Secret("a long password")), **super().load()}


class TestCountsFromNought(SabotagedStore):
    breaks = ("STORE-002",)

    class store_class(Store):
        def load(self) -> Mapping[str, AuthenticationData]:
            return {alias: replace(entry, version=entry.version - 1) for alias, entry in super().load().items()}


class TestReadingChangesIt(SabotagedStore):
    breaks = ("STORE-003",)

    class store_class(Store):
        def load(self) -> Mapping[str, AuthenticationData]:
            self.kept.revision += 1
            return {alias: replace(entry, version=self.kept.revision) for alias, entry in super().load().items()}


class TestForgetsTheDescription(SabotagedStore):
    breaks = ("STORE-010",)

    class store_class(Store):
        def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
            return super().put(alias, user, password, "")


class TestForgetsWhatWasRemoved(SabotagedStore):
    breaks = ("STORE-011",)

    class store_class(Store):
        def remove(self, alias: str) -> bool:
            self.kept.versions.pop(alias, None)
            return super().remove(alias)


class TestRemovesWhatIsNotThere(SabotagedStore):
    breaks = ("STORE-001", "STORE-012")

    class store_class(Store):
        def remove(self, alias: str) -> bool:
            super().remove(alias)
            return True


class TestKnowsOneScript(SabotagedStore):
    breaks = ("STORE-013",)

    class store_class(Store):
        def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
            entry = super().put(alias, user, password, description)
            kept = replace(entry, user=user.encode("ascii", "replace").decode())
            self.kept.entries[alias] = kept
            return kept


class TestTakesAnyAlias(SabotagedStore):
    breaks = ("STORE-014",)

    class store_class(Store):
        def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
            return super().put(alias.strip() or "nameless", user, password, description)


class TestFillsAnEmptyPassword(SabotagedStore):
    breaks = ("STORE-015",)

    class store_class(Store):
        def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
            return super().put(alias, user, password or Secret("changeit"), description)


class TestReadsOnce(SabotagedStore):
    breaks = ("STORE-016",)

    class store_class(Store):
        read: Mapping[str, AuthenticationData] | None = None

        def load(self) -> Mapping[str, AuthenticationData]:
            self.check()
            if self.read is None:
                self.read = super().load()
            return self.read


class TestWritesOverOthers(SabotagedStore):
    """What it knew when it was made, and its own changes, are all that it writes."""

    breaks = ("STORE-017",)

    class store_class(Store):
        def __init__(self, kept: List, key: int) -> None:
            super().__init__(kept, key)
            self.mine = dict(kept.entries)

        def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
            entry = super().put(alias, user, password, description)
            self.mine[alias] = entry
            self.kept.entries = dict(self.mine)
            return entry


class TestIsNotReadOnly(SabotagedStore):
    breaks = ("STORE-020",)

    class store_class(Store):
        read_only = True


class TestRotationCountsAsAChange(SabotagedStore):
    breaks = ("STORE-030",)

    class store_class(Store):
        def rotate_key(self, report: ProgressListener | None = None) -> int:
            for alias, entry in self.kept.entries.items():
                self.kept.entries[alias] = replace(entry, version=entry.version + 1)
            return super().rotate_key(report)


class TestTakesAnyKey(SabotagedStore):
    breaks = ("STORE-031",)

    class store_class(Store):
        def __init__(self, kept: List, key: int) -> None:
            super().__init__(kept, kept.key)


class TestIsEmptyWhenDamaged(SabotagedStore):
    breaks = ("STORE-040", "STORE-041")

    class store_class(Store):
        def load(self) -> Mapping[str, AuthenticationData]:
            return {} if self.kept.damaged else super().load()


class TestAlwaysHasTheSameStamp(SabotagedStore):
    breaks = ("STORE-050",)

    class store_class(Store):
        def stamp(self) -> Hashable:
            return 0


class TestShowsItsPasswords(SabotagedStore):
    breaks = ("STORE-060",)

    class store_class(Store):
        def __repr__(self) -> str:
            return f"Store({[entry.password.reveal() for entry in self.kept.entries.values()]})"


class TestKeepsPlainText(SabotagedStore):
    breaks = ("STORE-061",)

    class store_class(Store):
        def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
            self.kept.plain += password.reveal().encode()
            return super().put(alias, user, password, description)
