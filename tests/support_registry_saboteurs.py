"""Registries that each break some requirement of the profile user-registry; run by tests/kit/test_the_kit.py."""

# ruff: noqa: N801 - what is sabotaged is named like what it stands for

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
from collections.abc import Iterable
from typing import ClassVar

import pytest

from connector.errors import AuthenticationFailed, Reason
from connector.security.scram import fitting_nothing
from connector.spi import ScramVerifier, Secret
from connector.testing import RegistryBackend, RegistryContract

AWAY = Reason("CF-SABOTEUR-003", "the users are out of reach.", "Mend the test.")


class Users:
    """Users in memory, which can be cut off."""

    def __init__(self) -> None:
        self.passwords: dict[str, Secret] = {}
        self.groups: dict[str, frozenset[str]] = {}
        self.away = False


class Registry:
    """The honest registry, which each saboteur spoils."""

    realm = "kit"

    def __init__(self, of: Users) -> None:
        self.of = of

    def check_password(self, user: str, password: Secret) -> bool:
        self.reach()
        known = self.of.passwords.get(user)
        return bool(password) and known is not None and known == password

    def user_exists(self, user: str) -> bool:
        self.reach()
        return user in self.of.passwords

    def group_exists(self, group: str) -> bool:
        self.reach()
        return any(group in groups for groups in self.of.groups.values())

    def groups_of(self, user: str) -> frozenset[str]:
        self.reach()
        return self.of.groups.get(user, frozenset())

    def unique_name(self, user: str) -> str:
        self.reach()
        return user

    def users(self) -> list[str]:
        self.reach()
        return sorted(self.of.passwords)

    def groups(self) -> list[str]:
        self.reach()
        return sorted({group for groups in self.of.groups.values() for group in groups})

    def reach(self) -> None:
        if self.of.away:
            raise AuthenticationFailed(AWAY)


class Backend(RegistryBackend):
    name = "saboteur"

    def __init__(self, registry_class: type[Registry]) -> None:
        self.registry_class = registry_class
        self.renew()

    def renew(self) -> None:
        self.of = Users()

    def registry(self) -> Registry:
        return self.registry_class(self.of)

    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        self.of.passwords[user], self.of.groups[user] = password, frozenset(groups)

    def remove_user(self, user: str) -> None:
        del self.of.passwords[user], self.of.groups[user]

    def set_password(self, user: str, password: Secret) -> None:
        self.of.passwords[user] = password

    def cut_off(self) -> None:
        self.of.away = True

    def restore(self) -> None:
        self.of.away = False


class SabotagedRegistry(RegistryContract):
    breaks: ClassVar[tuple[str, ...]] = ()
    registry_class: ClassVar[type[Registry]] = Registry

    @pytest.fixture
    def connector_registry(self) -> Backend:
        return Backend(type(self).registry_class)


class TestHasNoRealm(SabotagedRegistry):
    breaks = ("REG-001",)

    class registry_class(Registry):
        realm = ""


class TestTakesAnyPassword(SabotagedRegistry):
    breaks = ("REG-002",)

    class registry_class(Registry):
        def check_password(self, user: str, password: Secret) -> bool:
            return bool(password) and self.user_exists(user)


class TestTakesAnEmptyPasswordForAnonymous(SabotagedRegistry):
    breaks = ("REG-003",)

    class registry_class(Registry):
        def check_password(self, user: str, password: Secret) -> bool:
            return not password or super().check_password(user, password)


class TestListsInNoOrder(SabotagedRegistry):
    breaks = ("REG-004",)

    class registry_class(Registry):
        def users(self) -> list[str]:
            return super().users()[::-1]


class TestPutsEverybodyInAllGroups(SabotagedRegistry):
    breaks = ("REG-005",)

    class registry_class(Registry):
        def groups_of(self, user: str) -> frozenset[str]:
            return frozenset(self.groups())


class TestFoldsNames(SabotagedRegistry):
    breaks = ("REG-006",)

    class registry_class(Registry):
        def user_exists(self, user: str) -> bool:
            return super().user_exists(user.strip().lower())


class TestTakesNamesForPatterns(SabotagedRegistry):
    breaks = ("REG-007",)

    class registry_class(Registry):
        def user_exists(self, user: str) -> bool:
            return super().user_exists(user) or (user.endswith("*") and bool(self.of.passwords))


class TestKnowsAsciiOnly(SabotagedRegistry):
    breaks = ("REG-008",)

    class registry_class(Registry):
        def check_password(self, user: str, password: Secret) -> bool:
            return user.isascii() and super().check_password(user, password)


class TestHasOneUniqueNameForAll(SabotagedRegistry):
    breaks = ("REG-009",)

    class registry_class(Registry):
        def unique_name(self, user: str) -> str:
            return "user"


class TestKeepsWhoWasThere(SabotagedRegistry):
    breaks = ("REG-010",)

    class registry_class(Registry):
        def __init__(self, of: Users) -> None:
            super().__init__(of)
            self.kept: set[str] = set()

        def user_exists(self, user: str) -> bool:
            if super().user_exists(user):
                self.kept.add(user)
            return user in self.kept


class TestKeepsWhoWasNotThere(SabotagedRegistry):
    breaks = ("REG-011",)

    class registry_class(Registry):
        def __init__(self, of: Users) -> None:
            super().__init__(of)
            self.unknown: set[str] = set()

        def user_exists(self, user: str) -> bool:
            if not super().user_exists(user):
                self.unknown.add(user)
            return user not in self.unknown


class TestKeepsPasswords(SabotagedRegistry):
    breaks = ("REG-012",)

    class registry_class(Registry):
        def __init__(self, of: Users) -> None:
            super().__init__(of)
            self.right: list[tuple[str, Secret]] = []

        def check_password(self, user: str, password: Secret) -> bool:
            if super().check_password(user, password):
                self.right.append((user, password))
            return (user, password) in self.right


class TestMixesUpWhatThreadsAsk(SabotagedRegistry):
    breaks = ("REG-013",)

    class registry_class(Registry):
        def __init__(self, of: Users) -> None:
            super().__init__(of)
            self.owner = threading.get_ident()

        def check_password(self, user: str, password: Secret) -> bool:
            return threading.get_ident() == self.owner and super().check_password(user, password)


class TestSaysNoWhenOutOfReach(SabotagedRegistry):
    breaks = ("REG-020", "REG-021")

    class registry_class(Registry):
        def check_password(self, user: str, password: Secret) -> bool:
            return not self.of.away and super().check_password(user, password)


class Verifying(Registry):
    """An honest one whose users all have a verifier, made when it is asked for."""

    def scram_offered(self) -> bool:
        return True

    def scram_verifier(self, user: str) -> ScramVerifier | None:
        known = self.of.passwords.get(user)
        return self.made(user, known) if known is not None else fitting_nothing(user, self.made("any", Secret("any")))

    def made(self, user: str, password: Secret) -> ScramVerifier:
        salt = hashlib.sha256(user.encode()).digest()[:16]
        salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), salt, 4096)
        client = hmac.digest(salted, b"Client Key", "sha256")
        return ScramVerifier(salt, 4096, hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256"))


class SabotagedVerifiers(SabotagedRegistry):
    registry_class = Verifying

    @pytest.fixture
    def connector_registry(self) -> Backend:
        made = Backend(type(self).registry_class)
        made.verifiers = True
        return made


class TestHasOneVerifierForAll(SabotagedVerifiers):
    breaks = ("REG-040",)

    class registry_class(Verifying):
        def scram_verifier(self, user: str) -> ScramVerifier | None:
            return super().scram_verifier("kit-alice")


class TestHasNoVerifierOfNobody(SabotagedVerifiers):
    breaks = ("REG-041",)

    class registry_class(Verifying):
        def scram_verifier(self, user: str) -> ScramVerifier | None:
            return super().scram_verifier(user) if user in self.of.passwords else None


class TestKeepsVerifiers(SabotagedVerifiers):
    breaks = ("REG-042",)

    class registry_class(Verifying):
        def __init__(self, of: Users) -> None:
            super().__init__(of)
            self.kept: dict[str, ScramVerifier | None] = {}

        def scram_verifier(self, user: str) -> ScramVerifier | None:
            return self.kept.setdefault(user, super().scram_verifier(user))


class TestTellsThePasswordInALog(SabotagedRegistry):
    breaks = ("REG-030",)

    class registry_class(Registry):
        def check_password(self, user: str, password: Secret) -> bool:
            logging.getLogger("saboteur").debug("is it %s?", password.reveal())
            return super().check_password(user, password)
