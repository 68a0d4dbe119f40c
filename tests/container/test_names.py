"""Names: applications, references, direct look-ups (CONF-3)."""

from __future__ import annotations

import pytest
from support_container import ProfileFolder

from connector.errors import NameNotFound, SignOnError


def test_a_reference_gives_the_same_connection_factory_each_time(profile: ProfileFolder) -> None:
    with profile.open() as container:
        application = container.application("shop")
        assert application.lookup("jdbc/orders") is application.lookup("jdbc/orders")
        assert application.references == ("jdbc/orders", "jms/shop")
        assert "jdbc/orders" in repr(application)


def test_two_references_to_one_resource_are_two_factories_over_one_pool(profile: ProfileFolder) -> None:
    with profile.open() as container:
        direct = container.lookup("jdbc/orders")
        through_the_application = container.application("shop").lookup("jdbc/orders")
        assert direct is not through_the_application
        with direct.get_connection(), through_the_application.get_connection():
            assert container.status()["resources"]["jdbc/orders"]["pool"]["in_use"] == 2


def test_a_direct_look_up_is_application_managed(profile: ProfileFolder) -> None:
    with profile.open() as container:
        explained = container.explain("jms/shop")
        assert "component alias" in str(explained)
        assert "shop-applications" in explained.answer


def test_an_activation_specification_is_no_connection_factory(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with pytest.raises(NameNotFound):
            container.lookup("jms/orders-in")


def test_explain_takes_references_by_application_and_direct_names(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert "alice" in container.explain("shop:jms/shop", caller="alice").answer
        assert container.explain("jdbc/orders").answer
        with pytest.raises(NameNotFound):
            container.explain("shop:jms/nothing")


def test_a_deployment_overrides_its_applications_references(profile: ProfileFolder) -> None:
    overrides = {
        "applications": {
            "shop": {"descriptor": "shop.toml", "references": {"jdbc/orders": {"on_no_credential": "fail"}}}
        }
    }
    with profile.open(overrides=overrides) as container, container.login("alice", profile.password):
        with pytest.raises(SignOnError):
            container.application("shop").lookup("jdbc/orders").get_connection()


def test_an_operator_reaches_a_bus_by_its_name_without_anybodys_alias(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with container.bus_connection("shop", "admin", profile.password) as bus:
            bus.send("orders", {"item": "tea"}, reply_to="nowhere")
        with pytest.raises(NameNotFound, match="shop"):
            container.bus_connection("shopp", "admin", profile.password)
        with pytest.raises(SignOnError):
            container.bus_connection("shop")
