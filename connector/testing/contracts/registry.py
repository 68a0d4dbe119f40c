"""The profile user-registry: who exists, in which groups, whose password is right; and what is no answer to that."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable
from typing import ClassVar

import pytest

from connector.errors import AuthenticationFailed
from connector.security.audit import MemoryAuditLog
from connector.security.identity import ContainerIdentity
from connector.spi import Outcome, ScramVerifier, ScramVerifiers, Secret, UserRegistry
from connector.testing.contract import Contract
from connector.testing.disclosure import disclosures, watched_logs
from connector.testing.registry_backend import RegistryBackend
from connector.testing.requirement import RegistryFacet, requirement

_PASSWORD = Secret("kit-Passwort-5e1f")
_OTHER = Secret("kit-other-password")
_UNICODE = "Zoë-Ωμέγα"
#: Syntax somewhere: directories, databases, shells, files.
_SYNTAX = ("*", "kit-al*", "*)(uid=*", "kit-alice)(cn=*", "kit-alice' OR '1'='1", "kit-alice\0", "../kit-alice", "")
_SPELLINGS = ("KIT-ALICE", "Kit-Alice", "kit-alice ", " kit-alice")
_THREADS = 4


class RegistryContract(Contract):
    """A "no" means no, and nothing else does; supply the fixture `connector_registry`."""

    kind: ClassVar[str] = "registry"

    @pytest.fixture
    def backend(self, connector_registry: RegistryBackend) -> RegistryBackend:
        """The author's world: kit-alice is a clerk and on the night shift, kit-bob a clerk."""
        connector_registry.renew()
        connector_registry.add_user("kit-alice", _PASSWORD, ("kit-clerks", "kit-night"))
        connector_registry.add_user("kit-bob", _OTHER, ("kit-clerks",))
        return connector_registry

    @pytest.fixture
    def registry(self, backend: RegistryBackend) -> UserRegistry:
        """A registry of these two."""
        return backend.registry()

    @requirement("REG-001", "It has the contract's methods, and a realm with a name.")
    def test_it_is_a_registry(self, registry: UserRegistry) -> None:
        assert isinstance(registry, UserRegistry)
        assert registry.realm

    @requirement("REG-002", "The right password is True; a wrong one and an unknown user's are False.")
    def test_a_password_is_checked(self, registry: UserRegistry) -> None:
        assert registry.check_password("kit-alice", _PASSWORD) is True
        assert registry.check_password("kit-alice", _OTHER) is False
        assert registry.check_password("kit-nobody", _PASSWORD) is False

    @requirement("REG-003", "An empty password is False, for anybody.")
    def test_an_empty_password_is_false(self, registry: UserRegistry) -> None:
        assert [registry.check_password(user, Secret("")) for user in ("kit-alice", "kit-nobody")] == [False, False]

    @requirement("REG-004", "All users and groups are listed, sorted, and those exist that are listed.")
    def test_users_and_groups_are_listed(self, registry: UserRegistry) -> None:
        assert list(registry.users()) == ["kit-alice", "kit-bob"]
        assert list(registry.groups()) == ["kit-clerks", "kit-night"]
        assert all(registry.user_exists(user) for user in registry.users())
        assert all(registry.group_exists(group) for group in registry.groups())
        assert not registry.user_exists("kit-clerks")
        assert not registry.group_exists("kit-alice")

    @requirement("REG-005", "`groups_of` are the user's groups; none for an unknown user.")
    def test_groups_are_those_of_the_user(self, registry: UserRegistry) -> None:
        assert registry.groups_of("kit-alice") == {"kit-clerks", "kit-night"}
        assert registry.groups_of("kit-bob") == {"kit-clerks"}
        assert registry.groups_of("kit-nobody") == frozenset()

    @requirement("REG-006", "A name has one spelling: in another one it is nobody's, since roles tell them apart.")
    def test_a_name_has_one_spelling(self, registry: UserRegistry) -> None:
        for name in _SPELLINGS:
            assert not registry.user_exists(name), name
            assert registry.check_password(name, _PASSWORD) is False, name
            assert registry.groups_of(name) == frozenset(), name

    @requirement("REG-007", "A name that is syntax somewhere is nobody's, and no error.")
    def test_a_name_is_no_syntax(self, registry: UserRegistry) -> None:
        for name in _SYNTAX:
            assert not registry.user_exists(name), name
            assert not registry.group_exists(name), name
            assert registry.check_password(name, _PASSWORD) is False, name
            assert registry.groups_of(name) == frozenset(), name

    @requirement("REG-008", "Names and passwords of any script are taken as they are.")
    def test_any_script_is_taken(self, backend: RegistryBackend) -> None:
        backend.add_user(_UNICODE, Secret("пароль-日本-kit"), ("Größe",))
        registry = backend.registry()
        assert registry.check_password(_UNICODE, Secret("пароль-日本-kit")) is True
        assert registry.groups_of(_UNICODE) == {"Größe"}
        assert _UNICODE in registry.users()

    @requirement("REG-009", "`unique_name` is the same each time, and differs from user to user.")
    def test_unique_names_differ(self, backend: RegistryBackend, registry: UserRegistry) -> None:
        names = [registry.unique_name(user) for user in ("kit-alice", "kit-bob")]
        assert len(set(names)) == 2
        assert names == [backend.registry().unique_name(user) for user in ("kit-alice", "kit-bob")]

    @requirement("REG-010", "Who is removed is refused at the next login, and unknown once time has passed.")
    def test_a_removed_user_is_refused(self, backend: RegistryBackend, registry: UserRegistry) -> None:
        assert registry.user_exists("kit-alice")
        backend.remove_user("kit-alice")
        assert registry.check_password("kit-alice", _PASSWORD) is False
        backend.let_time_pass()
        assert not registry.user_exists("kit-alice")
        assert registry.groups_of("kit-alice") == frozenset()

    @requirement("REG-011", "Who is added is known at once: that somebody is unknown is not kept.")
    def test_an_added_user_is_known(self, backend: RegistryBackend, registry: UserRegistry) -> None:
        assert not registry.user_exists("kit-carol")
        assert registry.groups_of("kit-carol") == frozenset()
        backend.add_user("kit-carol", _PASSWORD, ("kit-clerks",))
        assert registry.user_exists("kit-carol")
        assert registry.groups_of("kit-carol") == {"kit-clerks"}
        assert registry.check_password("kit-carol", _PASSWORD) is True

    @requirement("REG-012", "A changed password counts at once.")
    def test_a_changed_password_counts(self, backend: RegistryBackend, registry: UserRegistry) -> None:
        assert registry.check_password("kit-alice", _PASSWORD) is True
        backend.set_password("kit-alice", _OTHER)
        assert registry.check_password("kit-alice", _PASSWORD) is False
        assert registry.check_password("kit-alice", _OTHER) is True

    @requirement("REG-013", "It may be asked from several threads at once.")
    def test_several_threads_may_ask(self, registry: UserRegistry) -> None:
        answers: list[tuple[bool, bool]] = []
        together = threading.Barrier(_THREADS)

        def ask() -> None:
            together.wait()
            right, wrong = (registry.check_password(user, _PASSWORD) for user in ("kit-alice", "kit-bob"))
            answers.append((right, wrong))

        threads = [threading.Thread(target=ask) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [(True, False)] * _THREADS

    @requirement(
        "REG-020", "Out of reach is an error with a code, never a `no`, and over when it is back.",
        needs=RegistryFacet.OUTAGE,
    )  # fmt: skip
    def test_an_outage_is_no_answer(self, backend: RegistryBackend, registry: UserRegistry) -> None:
        questions: tuple[Callable[[], object], ...] = (
            lambda: registry.check_password("kit-alice", _PASSWORD),
            lambda: registry.user_exists("kit-alice"),
            lambda: registry.groups_of("kit-alice"),
            lambda: registry.group_exists("kit-clerks"),
            lambda: list(registry.users()),
        )
        backend.cut_off()
        try:
            for ask in questions:
                with pytest.raises(AuthenticationFailed) as caught:
                    ask()
                assert caught.value.code
                assert caught.value.action
                shown = disclosures(caught.value, _PASSWORD)
                assert not shown
        finally:
            backend.restore()
        assert registry.check_password("kit-alice", _PASSWORD) is True
        assert registry.groups_of("kit-alice") == {"kit-clerks", "kit-night"}

    @requirement(
        "REG-021", "In the audit log an outage is a failure, and a wrong password a denial.",
        needs=RegistryFacet.OUTAGE,
    )  # fmt: skip
    def test_an_outage_is_audited_as_a_failure(self, backend: RegistryBackend, registry: UserRegistry) -> None:
        audit = MemoryAuditLog()
        identity = ContainerIdentity(registry, audit=audit)
        with pytest.raises(AuthenticationFailed):
            identity.authenticate("kit-alice", _OTHER)
        backend.cut_off()
        try:
            with pytest.raises(AuthenticationFailed):
                identity.authenticate("kit-alice", _PASSWORD)
        finally:
            backend.restore()
        assert [event.outcome for event in audit.events] == [Outcome.DENIED, Outcome.FAILURE]

    @requirement(
        "REG-040", "SCRAM is offered once every user has a verifier, by which the right password alone is proved.",
        needs=RegistryFacet.VERIFIERS,
    )  # fmt: skip
    def test_the_right_password_is_proved(self, registry: UserRegistry) -> None:
        assert isinstance(registry, ScramVerifiers)
        assert registry.scram_offered()
        found = {user: registry.scram_verifier(user) for user in ("kit-alice", "kit-bob")}
        assert [_is_of(found[user], _PASSWORD) for user in found] == [True, False]
        assert [_is_of(found[user], _OTHER) for user in found] == [False, True]

    @requirement(
        "REG-041", "Whom it does not know has a verifier alike, each time the same, that nothing fits.",
        needs=RegistryFacet.VERIFIERS,
    )  # fmt: skip
    def test_nobody_can_be_told_from_somebody(self, backend: RegistryBackend, registry: UserRegistry) -> None:
        assert isinstance(registry, ScramVerifiers)
        known = registry.scram_verifier("kit-alice")
        assert known is not None
        salts = []
        for name in ("kit-nobody", "kit-somebody", *_SYNTAX, *_SPELLINGS):
            one, again = registry.scram_verifier(name), registry.scram_verifier(name)
            assert one is not None, name
            assert again is not None, name
            assert (one.salt, one.rounds, len(one.salt)) == (again.salt, known.rounds, len(known.salt)), name
            assert not _is_of(one, _PASSWORD), name
            salts.append(one.salt)
        assert len({known.salt, *salts}) == len(salts) + 1

    @requirement(
        "REG-042", "A changed password makes the verifier of the former one count no more.",
        needs=RegistryFacet.VERIFIERS,
    )  # fmt: skip
    def test_a_former_password_proves_nothing(self, backend: RegistryBackend, registry: UserRegistry) -> None:
        assert isinstance(registry, ScramVerifiers)
        assert _is_of(registry.scram_verifier("kit-alice"), _PASSWORD)
        backend.set_password("kit-alice", _OTHER)
        assert not _is_of(registry.scram_verifier("kit-alice"), _PASSWORD)
        assert _is_of(registry.scram_verifier("kit-alice"), _OTHER)

    @requirement("REG-030", "No password is in a text or pickle of the registry, nor in a log.")
    def test_no_password_is_shown(self, registry: UserRegistry) -> None:
        with watched_logs(_PASSWORD) as talkative:
            registry.check_password("kit-alice", _PASSWORD)
            registry.check_password("kit-bob", _PASSWORD)
        assert talkative == []
        shown = disclosures(registry, _PASSWORD)
        assert not shown


def _is_of(verifier: ScramVerifier | None, password: Secret) -> bool:
    """Whether a verifier was made with a password (RFC 5802, 3)."""
    if verifier is None:
        return False
    salted = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), verifier.salt, verifier.rounds)
    return hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest() == verifier.stored_key
