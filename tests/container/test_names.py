"""Names: applications, references, direct look-ups (CONF-3)."""

from __future__ import annotations

import pytest
from support_container import ProfileFolder

from connector import Container
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


def test_explain_says_what_the_deployment_set_in_place_of_the_descriptor(profile: ProfileFolder) -> None:
    profile.edit(
        'shop = "shop.toml"',
        '[applications.shop]\ndescriptor = "shop.toml"\n'
        '[applications.shop.references."jms/shop"]\nalias = "shop-service"\nmapping_properties = { target = "db" }',
    )
    line = profile.configuration.read_text().splitlines().index('alias = "shop-service"') + 1
    environ = {"CONNECTOR__APPLICATIONS__SHOP__REFERENCES__JMS_SHOP__ON_NO_CREDENTIAL": "fail"}
    with Container.open(profile.configuration, environ=environ) as container:
        explained = str(container.explain("shop:jms/shop", caller="alice"))
        untouched = str(container.explain("shop:jdbc/orders", caller="alice"))
    assert f"its alias ({profile.configuration}:{line}) wins over the descriptor" in explained
    assert f"its mapping_properties.target ({profile.configuration}:{line + 1}) wins" in explained
    assert "its on_no_credential (environment) wins" in explained
    assert "its bind" not in explained
    assert "deployment" not in untouched


def test_an_unknown_name_says_where_it_was_looked_for(profile: ProfileFolder) -> None:
    with profile.open() as container:
        for name, said in (
            ("shop:jdbc/order", "resource reference 'jdbc/order' in application 'shop'"),
            ("shp:jdbc/orders", "application 'shp' in the configuration"),
            ("jdbc/order", "connection factory 'jdbc/order' in this container"),
        ):
            with pytest.raises(NameNotFound, match="CF-CTR-010") as unknown:
                container.explain(name)
            assert said in unknown.value.text
            assert "Did you mean" in unknown.value.action


def test_an_operator_reaches_a_bus_by_its_name_without_anybodys_alias(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with container.bus_connection("shop", "admin", profile.password) as bus:
            bus.send("orders", {"item": "tea"}, reply_to="nowhere")
        with pytest.raises(NameNotFound, match="shop"):
            container.bus_connection("shopp", "admin", profile.password)
        with pytest.raises(SignOnError):
            container.bus_connection("shop")
