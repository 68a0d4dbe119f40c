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


def test_a_rotated_password_replaces_free_connections_at_once(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
        assert pool(container)["free"] == 1
        fresh = Secret(f"{profile.password.reveal()}-2")
        FileUserRegistry("shop", profile.folder / "users.toml").set_password("shop-applications", fresh)
        profile.vault.put("shop-applications", "shop-applications", fresh)
        assert container.update_auth_data() == {"shop-applications"}
        assert (pool(container)["free"], pool(container)["destroyed"]) == (0, 1)
        assert request(container, "alice", {"item": "milk"}, profile.password) == {"taken": "milk"}
        assert pool(container)["created"] == 2


def test_a_connection_in_use_goes_on_and_is_replaced_when_it_comes_back(profile: ProfileFolder) -> None:
    with profile.open() as container, container.login("alice", profile.password):
        with container.application("shop").lookup("jms/shop").get_connection() as bus:
            profile.vault.put("shop-applications", "shop-applications", profile.password)
            container.update_auth_data()
            bus.send("orders", {"item": "tea"})
            assert pool(container)["in_use"] == 1
        assert (pool(container)["free"], pool(container)["destroyed"]) == (0, 1)


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
