"""Verifiers for SCRAM-SHA-256 in the user registry `sql`: a fourth table, where the realm wants it (CHAIN-5)."""

from __future__ import annotations

import pytest
from support_registries import SqlRegistryBackend

from connector.errors import RegistryUnavailable
from connector.spi import ScramVerifiers, Secret, VerifierReport
from connector_sqlregistry.settings import read_settings
from connector_sqlregistry.tables import UserTables

PASSWORD = Secret("marker-users-word")


def test_without_scram_there_is_no_fourth_table_and_nobody_lacks_a_verifier(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    assert isinstance(registry, ScramVerifiers)
    assert isinstance(registry, VerifierReport)
    assert not registry.scram_offered()
    assert registry.scram_verifier("alice") is None
    assert registry.without_verifier() == ()
    engine = read_settings("kit", backend.settings).engine
    assert not any("connector_scram" in each for each in UserTables("connector").statements(engine))
    engine.dispose()


def test_scram_is_offered_once_each_of_the_users_that_were_there_has_a_new_password(
    backend: SqlRegistryBackend,
) -> None:
    before = backend.registry()
    for user in ("bob", "alice"):
        before.add_user(user, PASSWORD)
    backend.prove()
    registry = backend.registry()
    assert (registry.scram_offered(), registry.without_verifier()) == (False, ("alice", "bob"))
    assert registry.scram_verifier("alice") is None
    registry.set_password("alice", PASSWORD)
    assert (registry.scram_offered(), registry.without_verifier()) == (False, ("bob",))
    registry.set_password("bob", PASSWORD)
    assert (registry.scram_offered(), registry.without_verifier()) == (True, ())
    assert registry.check_password("alice", PASSWORD)


def test_a_registry_without_users_offers_nothing(backend: SqlRegistryBackend) -> None:
    backend.prove()
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    registry.remove_user("alice")
    assert not registry.scram_offered()
    assert registry.scram_verifier("alice") is None


def test_a_password_that_was_set_without_verifier_leaves_none_of_the_former_one(backend: SqlRegistryBackend) -> None:
    backend.prove()
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    registry.add_user("bob", PASSWORD)
    backend.settings["scram"] = False
    backend.registry().set_password("alice", Secret("another"))
    assert (registry.scram_offered(), registry.without_verifier()) == (False, ("alice",))
    former, bobs = registry.scram_verifier("alice"), registry.scram_verifier("bob")
    assert former is not None
    assert bobs is not None
    assert former.salt != bobs.salt


def test_a_user_who_is_removed_and_added_again_has_one_verifier(backend: SqlRegistryBackend) -> None:
    backend.prove()
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    first = registry.scram_verifier("alice")
    backend.settings["scram"] = False
    backend.registry().remove_user("alice")  # which knows of no fourth table
    registry.add_user("alice", PASSWORD)
    second = registry.scram_verifier("alice")
    assert first is not None
    assert second is not None
    assert first.salt != second.salt
    assert registry.scram_offered()


def test_a_damaged_verifier_fits_nothing(backend: SqlRegistryBackend) -> None:
    backend.prove()
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    registry.add_user("bob", PASSWORD)
    sound = registry.scram_verifier("alice")
    backend.execute("UPDATE connector_scram SET verifier = 'SCRAM-SHA-256$9:x$y:z' WHERE user_name = 'alice'")
    damaged = registry.scram_verifier("alice")
    assert damaged is not None
    assert sound is not None
    assert damaged.stored_key != sound.stored_key


def test_an_outage_is_no_answer_about_verifiers_either(backend: SqlRegistryBackend) -> None:
    backend.prove()
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    backend.cut_off()
    for ask in (registry.scram_offered, registry.without_verifier, lambda: registry.scram_verifier("alice")):
        with pytest.raises(RegistryUnavailable, match="CF-SQLR-010"):
            ask()
    backend.restore()
    assert registry.scram_offered()
