"""Bad input: each gives one clear error with a stable code, says what to do, and loses nothing (issue A)."""

from __future__ import annotations

import base64
import errno
import os
import threading

import pytest
from support_container import ProfileFolder, request
from support_secrets import shows_marker

from connector.errors import (
    AuthDataError,
    AuthenticationFailed,
    ConfigError,
    ConnectionFailed,
    ConnectorError,
    DeploymentError,
    NameNotFound,
    RequestFailed,
    SignOnError,
    StateInUse,
)


def refused(profile: ProfileFolder, kind: type[ConnectorError]) -> ConnectorError:
    """The error of starting the profile; nothing stays behind."""
    with pytest.raises(kind) as caught:
        profile.open()
    assert not shows_marker(caught.value)
    assert caught.value.action
    return caught.value


def codes(error: ConnectorError) -> set[str]:
    """All codes of a configuration error."""
    assert isinstance(error, ConfigError)
    return {problem.code for problem in error.problems}


def test_wrong_toml_names_file_and_line(profile: ProfileFolder) -> None:
    profile.edit('name = "shop"', "name = = shop")
    error = refused(profile, ConfigError)
    assert "connector.toml:3" in str(error)


def test_every_mistake_is_reported_at_once_with_a_suggestion(profile: ProfileFolder) -> None:
    profile.edit("max_size = 2", "max_sise = 2")
    profile.edit('state = "state"', "state = 7")
    error = refused(profile, ConfigError)
    assert "max_size" in str(error)
    assert "state" in str(error)
    assert len(error.problems) == 2  # type: ignore[attr-defined]


def test_an_unknown_adapter_is_named_with_the_known_ones(profile: ProfileFolder) -> None:
    profile.edit('adapter = "sql"', 'adapter = "sqll"')
    assert "sql" in str(refused(profile, ConfigError))


def test_a_reference_to_an_unknown_resource_is_refused(profile: ProfileFolder) -> None:
    profile.edit('bind = "jdbc/orders"', 'bind = "jdbc/order"', descriptor=True)
    error = refused(profile, ConfigError)
    assert "shop.toml" in str(error)
    assert "jdbc/orders" in str(error)


def test_a_missing_vault_key_says_which(profile: ProfileFolder) -> None:
    (profile.folder / "vault.key").unlink()
    assert "vault.key" in str(refused(profile, AuthDataError))


def test_a_wrong_vault_key_is_told_apart_from_a_torn_vault(profile: ProfileFolder) -> None:
    vault, key = profile.folder / "auth-data.vault", profile.folder / "vault.key"
    good = vault.read_bytes()
    vault.write_bytes(good[: len(good) // 2])
    torn = refused(profile, AuthDataError)
    vault.write_bytes(good)
    other = profile.folder / "other"
    other.mkdir()
    kept = key.read_bytes()
    key.unlink()
    from connector.security.vault_key import generate_key

    generate_key(key)
    wrong = refused(profile, AuthDataError)
    assert torn.code != wrong.code
    key.write_bytes(kept)
    profile.open().close()


def test_an_unknown_alias_is_never_skipped(profile: ProfileFolder) -> None:
    profile.edit('alias = "shop-applications"', 'alias = "shop-applicatoins"', descriptor=True)
    with profile.open() as container, container.login("alice", profile.password):
        with pytest.raises(SignOnError, match="shop-applicatoins") as caught:
            container.application("shop").lookup("jms/shop").get_connection()
    assert "jms/shop" in str(caught.value)


def test_a_wrong_password_is_refused(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with pytest.raises(AuthenticationFailed) as wrong:
            container.login("alice", "not it")
        with pytest.raises(AuthenticationFailed) as unknown:
            container.login("mallory", profile.password)
        # a stranger must not learn which users exist
        assert wrong.value.code == unknown.value.code


def test_an_unknown_name_comes_with_a_suggestion(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with pytest.raises(NameNotFound, match="jdbc/orders"):
            container.lookup("jdbc/order")
        with pytest.raises(NameNotFound, match="shop"):
            container.application("shopp")


def test_a_handler_module_that_does_not_import_is_named_with_the_cause(profile: ProfileFolder) -> None:
    profile.handlers("import no_such_module_of_ours")
    error = refused(profile, DeploymentError)
    assert error.code == "CF-CTR-020"
    assert "no_such_module_of_ours" in str(error)
    profile.handlers("")
    assert refused(profile, DeploymentError).code == "CF-CTR-022"


def test_a_handler_that_raises_loses_nothing(profile: ProfileFolder) -> None:
    profile.handlers(
        "from connector import message_driven\n"
        "@message_driven(activation='jms/orders', roles_allowed={'buyer'})\n"
        "def fail(message, context):\n"
        "    raise RuntimeError('boom')\n"
    )
    profile.edit(
        "[applications]",
        '[buses.shop.destinations."_SYSTEM.Exception.Destination.shop"]\n'
        'inherit_defaults = false\nroles = { browser = ["user:admin"] }\n\n[applications]',
    )
    with profile.open() as container:
        with pytest.raises(RequestFailed, match="CF-ENDP-"):
            request(container, "alice", {"item": "tea"}, profile.password)
        with container.lookup("jms/shop").get_connection("admin", profile.password) as bus:
            kept = list(bus.browse("_SYSTEM.Exception.Destination.shop"))
    assert [message.body for message in kept] == [{"item": "tea"}]
    # max_redeliveries = 1: two attempts in all
    assert kept[0].properties["exception_attempts"] == 2


def test_roles_on_an_unsecured_container_are_refused_unless_the_deployment_says_so(profile: ProfileFolder) -> None:
    profile.edit("security = true\nrealm", "security = false\nrealm")
    assert refused(profile, DeploymentError).code == "CF-CTR-024"
    profile.edit("[application]", '[application]\nunsecured = "allow"', descriptor=True)
    with profile.open() as container:
        assert not container.security
        assert any(finding.code == "CF-CTR-030" for finding in container.findings())


def test_a_database_that_is_down_is_an_error_of_its_own_and_the_container_starts(profile: ProfileFolder) -> None:
    profile.edit(f"sqlite:///{profile.folder}/orders.db", "sqlite:////no/such/folder/orders.db")
    with profile.open() as container, container.login("alice", profile.password):
        for _ in range(3):  # more often than the pool is large: no permit is lost
            with pytest.raises(ConnectionFailed):
                container.application("shop").lookup("jdbc/orders").get_connection()


def test_a_second_container_on_the_state_folder_is_refused(profile: ProfileFolder) -> None:
    with profile.open() as container:
        error = refused(profile, StateInUse)
        assert error.code == "CF-CTR-001"
        assert str(os.getpid()) in str(error)
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
    profile.open().close()


def test_an_activation_without_alias_fails_with_its_reason_and_recovers(profile: ProfileFolder) -> None:
    profile.edit('component_alias = "shop-service"', 'component_alias = "shop-srevice"')
    with profile.open() as container:
        (activation,) = container.status()["activations"]
        assert activation["state"] == "failed"
        assert "shop-srevice" in activation["error"]
        profile.vault.put("shop-srevice", "shop-service", profile.password)
        assert container.update_auth_data() == {"shop-srevice"}
        assert container.status()["activations"][0]["state"] == "active"
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}


def test_a_wrong_edit_of_the_vault_leaves_the_last_good_data_in_force(profile: ProfileFolder) -> None:
    vault = profile.folder / "auth-data.vault"
    with profile.open() as container:
        good = vault.read_bytes()
        vault.write_bytes(b"torn" + base64.b64encode(os.urandom(8)))
        with pytest.raises(AuthDataError):
            container.update_auth_data()
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
        vault.write_bytes(good)
        assert container.update_auth_data() == frozenset()


def test_nothing_is_half_started(profile: ProfileFolder) -> None:
    # refused in the last step of a start: by then adapters, pools, the event loop and the bus store were running
    good = profile.folder / "modules" / f"{profile.module}.py"
    handlers = good.read_text()
    profile.handlers("import no_such_module_of_ours")
    before = set(threading.enumerate())
    refused(profile, DeploymentError)
    assert {thread for thread in threading.enumerate() if thread not in before} == set()
    assert (profile.folder / "state" / "container.lock").read_text() == ""
    profile.handlers(handlers)
    with profile.open() as container:  # the lock and the store are free again
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}


def test_a_handler_module_that_ends_the_process_is_refused_like_one_that_does_not_import(
    profile: ProfileFolder,
) -> None:
    profile.handlers("import sys; sys.exit(0)")
    error = refused(profile, DeploymentError)
    assert (error.code, error.details["kind"]) == ("CF-CTR-020", "SystemExit")


def test_a_state_folder_that_is_a_file_is_named(profile: ProfileFolder) -> None:
    (profile.folder / "state").write_text("")
    error = refused(profile, ConfigError)
    assert error.code == "CF-CTR-002"
    assert str(profile.folder / "state") in str(error)


def test_a_state_folder_on_a_full_disk_is_told_and_free_again(
    profile: ProfileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("connector.container.state.os.write", full)
        error = refused(profile, ConfigError)
    assert (error.code, "No space left" in error.text) == ("CF-CTR-002", True)
    with profile.open():
        pass
