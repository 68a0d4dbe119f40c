"""CHAIN-6, FLOW-5, FLOW-6: activations of a running container: health, pause, recovery, run-as."""

from __future__ import annotations

import pytest
from support_container import ProfileFolder, request, until

from connector import Container
from connector.endpoint.activation import ActivationState
from connector.errors import DeploymentError, NameNotFound, RequestFailed
from connector.security.file_registry import FileUserRegistry
from connector.spi import Secret

NAME = "shop:jms/orders"
WHO = """
from connector import message_driven

@message_driven(activation="jms/orders", roles_allowed={"buyer"})
def who(message, context):
    with context.lookup("jms/shop").get_connection() as bus:
        bus.send("copied", "as whom?")
    return {"caller": str(context.caller_principal), "buyer": context.is_caller_in_role("buyer")}
"""


def ask(container: Container, profile: ProfileFolder, user: str = "alice") -> object:
    return request(container, user, {"item": "tea"}, profile.password)


def test_status_tells_of_an_activation_s_health_and_of_what_it_has_delivered(profile: ProfileFolder) -> None:
    with profile.open() as container:
        ask(container, profile)
        until(lambda: container.activation(NAME).statistics().ended)
        (shown,) = container.status()["activations"]
        assert shown["healthy"] is True
        assert (shown["state"], shown["polled"], shown["problem"], shown["attempts"]) == ("active", 0.0, None, 1)
        assert shown["deliveries"] == {"delivered": 1, "active": 0}
        operated = container.activation(NAME)
        assert operated.to_dict()["handler"].endswith(":take_order")
        assert [one.name for one in container.activations()] == [NAME]
        with pytest.raises(NameNotFound, match="shop:jms/orders"):
            container.activation("shop:jms/order")


def test_metrics_have_an_activation_s_health_and_its_deliveries(profile: ProfileFolder) -> None:
    with profile.open() as container:
        ask(container, profile)
        until(lambda: container.activation(NAME).statistics().ended)
        (deployed,) = container._parts.activations
        figures = {(one.name, one.attributes.get("connector.outcome")): one for one in deployed.measurements()}
    assert figures["connector.activation.healthy", None].value == 1
    assert figures["connector.delivery.ended", "delivered"].value == 1
    assert figures["connector.delivery.ended", "failed"].value == 0
    assert all(one.attributes["connector.activation"] == "jms/orders" for one in figures.values())


def test_a_paused_activation_keeps_messages_waiting_until_it_is_resumed(profile: ProfileFolder) -> None:
    with profile.open() as container:
        operated = container.activation(NAME)
        paused = operated.pause()
        assert (paused.before, paused.state, paused.in_delivery, paused.ended) == ("active", "paused", 0, True)
        with container.login("alice", profile.password):
            with container.application("shop").lookup("jms/shop").get_connection() as bus:
                bus.send("orders", {"item": "tea"})
        assert profile.rows() == []
        container.retry_activations()
        assert operated.state is ActivationState.PAUSED
        assert operated.resume().state == "active"
        assert ask(container, profile, "bob") == {"taken": "tea"}
    assert profile.rows() == [("alice", "tea"), ("bob", "tea")]


def test_a_pause_and_a_resume_are_audited(profile: ProfileFolder) -> None:
    with profile.open() as container:
        container.activation(NAME).pause()
        container.activation(NAME).resume()
    audit = (profile.folder / "state" / "audit.log").read_text()
    assert '"activation.pause"' in audit
    assert '"activation.resume"' in audit


def test_an_activation_that_failed_recovers_by_itself_when_it_is_put_right(profile: ProfileFolder) -> None:
    registry = FileUserRegistry("shop", profile.folder / "users.toml")
    registry.set_password("shop-service", Secret("another one"))
    with profile.open() as container:
        (shown,) = container.status()["activations"]
        assert (shown["state"], shown["healthy"]) == ("failed", False)
        assert "CF-BUS-011" in shown["error"]
        assert shown["next_attempt"] <= 1.1
        registry.set_password("shop-service", profile.password)
        # Nobody tells the container: the request waits until the activation's own next attempt.
        assert ask(container, profile) == {"taken": "tea"}


def test_an_activation_specification_that_the_adapter_refuses_stops_the_start_with_its_reason(
    profile: ProfileFolder,
) -> None:
    profile.edit('bus = "shop", destination = "orders"', 'bus = "shopp", destination = "orders"')
    with pytest.raises(DeploymentError, match="CF-CTR-026") as refused:
        profile.open()
    assert "CF-BUS-016" in str(refused.value)
    assert isinstance(refused.value.__cause__, NameNotFound)


@pytest.mark.parametrize("run_as", ["alias:shop-service", "role:batch"])
def test_with_run_as_outbound_work_and_reply_are_another_s_and_the_caller_stays_the_caller(
    profile: ProfileFolder, run_as: str
) -> None:
    profile.handlers(WHO)
    profile.edit("max_redeliveries = 1", f'max_redeliveries = 1\nrun_as = "{run_as}"', descriptor=True)
    profile.edit("[roles.buyer]", '[roles.batch]\nusers = ["shop-service"]\n[roles.buyer]', descriptor=True)
    profile.edit(
        "[buses.shop.destinations.orders]", "[buses.shop.destinations.copied]\n[buses.shop.destinations.orders]"
    )
    with profile.open() as container:
        with container.login("alice", profile.password):
            with container.application("shop").lookup("jms/shop").get_connection() as bus:
                reply = bus.request("orders", {"item": "tea"}, timeout=10.0)
        with container.lookup("jms/shop").get_connection("shop-service", profile.password) as bus:
            (copied,) = bus.browse("copied")
    assert reply.body == {"caller": "alice@shop", "buyer": True}
    assert str(reply.identity) == "shop-service@shop"
    assert str(copied.identity) == "shop-service@shop"


def test_a_run_as_alias_that_is_missing_is_a_finding(profile: ProfileFolder) -> None:
    profile.edit("max_redeliveries = 1", 'max_redeliveries = 0\nrun_as = "alias:gone"', descriptor=True)
    with profile.open(activate=False) as container:
        assert 'shop: activations."jms/orders".run_as' in {finding.place for finding in container.findings()}


def test_run_as_with_a_wrong_password_is_a_failed_delivery_with_its_reason(profile: ProfileFolder) -> None:
    profile.handlers(WHO)
    profile.edit("max_redeliveries = 1", 'max_redeliveries = 0\nrun_as = "alias:wrong"', descriptor=True)
    profile.vault.put("wrong", "shop-service", Secret("not it"))
    with profile.open() as container:
        with pytest.raises(RequestFailed, match="CF-SEC-010"):
            ask(container, profile)
        profile.vault.put("wrong", "shop-service", profile.password)
        container.update_auth_data()
