"""Changed authentication data take effect in a running container, without a restart (AUTHD-3)."""

from __future__ import annotations

import pytest
from support_container import ProfileFolder, request

from connector import Container, Secret
from connector.errors import LoginRefused, SignOnError
from connector.security.file_registry import FileUserRegistry


def pool(container: Container) -> dict[str, int]:
    """The figures of the bus connections' pool."""
    figures: dict[str, int] = container.status()["resources"]["jms/shop"]["pool"]
    return figures


def test_a_rotated_password_replaces_free_connections_once_it_has_been_accepted(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
        assert pool(container)["free"] == 1
        fresh = Secret(f"{profile.password.reveal()}-2")
        FileUserRegistry("shop", profile.folder / "users.toml").set_password("shop-applications", fresh)
        profile.vault.put("shop-applications", "shop-applications", fresh)
        assert container.update_auth_data() == {"shop-applications"}
        assert (pool(container)["free"], pool(container)["destroyed"]) == (1, 0)
        assert request(container, "alice", {"item": "milk"}, profile.password) == {"taken": "milk"}
        assert (pool(container)["created"], pool(container)["destroyed"], pool(container)["free"]) == (2, 1, 1)


def test_a_rotated_password_that_is_refused_interrupts_nobody(profile: ProfileFolder) -> None:
    with profile.open() as container:
        request(container, "alice", {"item": "tea"}, profile.password)
        profile.vault.put("shop-applications", "shop-applications", Secret("mistyped by the operator"))
        container.update_auth_data()
        assert request(container, "alice", {"item": "milk"}, profile.password) == {"taken": "milk"}
        figures = container.pool("jms/shop").statistics()
        assert (figures.created, figures.destroyed, figures.failed_logins) == (1, 0, 1)
        with pytest.raises(LoginRefused):  # asked on purpose, it says so
            container.test_connection("shop:jms/shop", caller="alice")


def test_with_purge_now_a_rotated_password_replaces_free_connections_at_once(profile: ProfileFolder) -> None:
    section = '[resources."jms/shop"]'
    profile.edit(section, f'{section}\npool = {{ retire_policy = "purge-now" }}')
    with profile.open() as container:
        request(container, "alice", {"item": "tea"}, profile.password)
        profile.vault.put("shop-applications", "shop-applications", profile.password)
        container.update_auth_data()
        assert (pool(container)["free"], pool(container)["destroyed"]) == (0, 1)


def test_a_connection_in_use_goes_on_and_is_replaced_when_it_comes_back(profile: ProfileFolder) -> None:
    with profile.open() as container, container.login("alice", profile.password):
        with container.application("shop").lookup("jms/shop").get_connection() as bus:
            profile.vault.put("shop-applications", "shop-applications", profile.password)
            container.update_auth_data()
            with container.application("shop").lookup("jms/shop").get_connection():
                bus.send("orders", {"item": "tea"})
                assert pool(container)["in_use"] == 2
        assert (pool(container)["free"], pool(container)["destroyed"]) == (1, 1)


def test_the_connections_of_an_alias_that_is_gone_go_too(profile: ProfileFolder) -> None:
    with profile.open() as container:
        request(container, "alice", {"item": "tea"}, profile.password)
        profile.vault.remove("shop-applications")
        assert container.update_auth_data() == {"shop-applications"}
        assert pool(container)["free"] == 0
        with pytest.raises(SignOnError, match="shop-applications"):
            request(container, "alice", {"item": "tea"}, profile.password)


def test_a_connection_test_reads_the_data_again(profile: ProfileFolder) -> None:
    with profile.open() as container:
        profile.vault.put("shop-applications", "nobody-of-ours", profile.password)
        assert "nobody-of-ours" not in str(container.explain("shop:jms/shop", caller="alice"))
        with pytest.raises(LoginRefused, match="nobody-of-ours"):
            container.test_connection("shop:jms/shop", caller="alice")
