"""FLOW-3, FLOW-5: several realms in one container: security domains of applications, inbound maps, what is kept."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support_container import ProfileFolder, request

from connector import Container, Secret, current_subject
from connector.errors import AuthenticationFailed, ConfigError, RequestFailed
from connector.security.file_registry import FileUserRegistry
from connector.security.passwords import ScryptCost

PARTNERS = """
[realms.partners]
path = "partners.toml"

[realms.partners.inbound_maps.shop.users]
alice = "ann"
carol = "cleo"

[realms.partners.inbound_maps.shop.groups]
"""
WHO = """
from queue import Queue
from connector import message_driven

SEEN = Queue()

@message_driven(activation="jms/orders", roles_allowed={"buyer"})
def who(message, context):
    SEEN.put(str(context.caller_principal))
"""


@pytest.fixture
def two_realms(profile: ProfileFolder) -> ProfileFolder:
    """The application's realm is another one than the container's; its users have passwords of their own."""
    registry = FileUserRegistry("partners", profile.folder / "partners.toml", ScryptCost(2, 1, 1))
    registry.add_user("ann", Secret("ann's own"), ["buyers"])
    registry.add_user("alice", Secret("the other alice"), ["buyers"])
    registry.add_user("cleo", Secret("cleo's own"), [])
    profile.edit("[auth_data]", PARTNERS + "\n[auth_data]")
    profile.edit("[application]", '[application]\nrealm = "partners"', descriptor=True)
    profile.handlers(WHO)
    return profile


def audited(profile: ProfileFolder, action: str) -> list[dict[str, Any]]:
    lines = (profile.folder / "state" / "audit.log").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["action"] == action]


def test_an_application_s_logins_are_of_its_realm(two_realms: ProfileFolder) -> None:
    with two_realms.open() as container:
        assert (container.realm, container.realms) == ("shop", ("partners", "shop"))
        application = container.application("shop")
        assert application.realm == "partners"
        with application.login("alice", Secret("the other alice")) as scope:
            assert (str(scope.subject.caller), scope.realm) == ("alice@partners", "partners")
        with pytest.raises(AuthenticationFailed, match="CF-SEC-010"):
            application.login("alice", two_realms.password)
        with container.login("alice", two_realms.password) as scope:
            assert str(scope.subject.caller) == "alice@shop"


def test_an_application_s_logins_are_of_its_realm_for_tasks_as_well(two_realms: ProfileFolder) -> None:
    async def who() -> str:
        async with container.application("shop").login_async("ann", Secret("ann's own")):
            return str((current_subject() or pytest.fail("nobody")).caller)

    with two_realms.open() as container:
        assert asyncio.run(who()) == "ann@partners"


def test_an_application_without_a_realm_has_the_container_s(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert container.application("shop").realm == "shop"


def test_a_reference_is_explained_for_a_caller_of_its_application_s_realm(two_realms: ProfileFolder) -> None:
    with two_realms.open() as container:
        assert "ann@partners" in str(container.explain("shop:jms/shop", caller="ann"))
        with pytest.raises(AuthenticationFailed, match="partners"):
            container.explain("shop:jdbc/orders", caller="bob")
        assert container.explain("jdbc/orders", caller="bob").steps  # a direct look-up is of the container's realm


def ask(container: Container, user: str, password: Secret) -> Any:
    """Send a message as a user of the container's realm to the application's handler; answers the reply."""
    with container.lookup("jms/shop").get_connection(user, password) as bus:
        return bus.request("orders", {}, timeout=10.0).body


@pytest.fixture
def sending(two_realms: ProfileFolder) -> ProfileFolder:
    """Messages are sent by a direct look-up, signed on as the callers themselves."""
    two_realms.edit('component_alias = "shop-applications"\nproperties = { bus', "properties = { bus")
    return two_realms


def test_a_sender_is_translated_into_the_realm_of_the_application_that_gets_the_message(sending: ProfileFolder) -> None:
    with sending.open() as container:
        with container.lookup("jms/shop").get_connection("alice", sending.password) as bus:
            bus.send("orders", {})
        assert sys.modules[sending.module].SEEN.get(timeout=10) == "ann@partners"  # and not the alice of that realm
    (event,) = audited(sending, "inflow")
    assert (event["who"], event["resource"], event["outcome"]) == ("alice@shop", "realm partners", "success")


def test_a_translated_sender_is_in_the_roles_of_whom_it_is_translated_to(sending: ProfileFolder) -> None:
    with sending.open() as container, pytest.raises(RequestFailed, match="CF-ENDP"):
        ask(container, "carol", sending.password)  # cleo is no buyer


def test_a_sender_without_an_entry_gets_no_handler_called(sending: ProfileFolder) -> None:
    with sending.open() as container, pytest.raises(RequestFailed, match="CF-WORK-033"):
        ask(container, "bob", sending.password)
    refused = audited(sending, "inflow")
    assert {(event["who"], event["outcome"], event["reason"]) for event in refused} == {
        ("bob@shop", "denied", "CF-WORK-033")
    }


# --- mistakes and findings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("inbound_maps.shop.users]", "inbound_maps.partners.users]", "CF-CONF-090"),
        ('alice = "ann"', 'alice = ""', "CF-CONF-091"),
        ("inbound_maps.shop.groups]", 'inbound_maps.shop.groups]\n"*" = "buyers"', "CF-CONF-092"),
        ("inbound_maps.shop.groups]", 'inbound_maps.shop]\nunmapped = "guest"', "CF-CONF-012"),
        ("inbound_maps.shop.groups]", "inbound_maps.shop]\nunmaped = 1", "CF-CONF-010"),
        ('path = "partners.toml"', 'path = "partners.toml"\ngroup_cache = "soon"', "CF-CONF-012"),
    ],
)
def test_a_mistake_in_a_map_is_told_with_its_place(two_realms: ProfileFolder, old: str, new: str, code: str) -> None:
    two_realms.edit(old, new)
    with pytest.raises(ConfigError) as caught:
        two_realms.open()
    assert [problem.code for problem in caught.value.problems] == [code]
    assert caught.value.problems[0].line is not None


def test_an_application_of_a_realm_that_is_not_there_is_a_mistake(two_realms: ProfileFolder) -> None:
    two_realms.edit('realm = "partners"', 'realm = "partner"', descriptor=True)
    with pytest.raises(ConfigError, match="Did you mean 'partners'") as caught:
        two_realms.open()
    assert [problem.code for problem in caught.value.problems] == ["CF-CONF-094"]


def found(container: Container, *codes: str) -> list[tuple[str, str, str]]:
    return [(f.severity, f.code, f.place) for f in container.findings() if f.code in codes]


def test_check_reports_whom_a_map_leads_to_and_who_is_not_there(two_realms: ProfileFolder) -> None:
    two_realms.edit('carol = "cleo"', 'carol = "cloe"\nbob = "cloe"\n"*" = "cleo"')
    two_realms.edit("inbound_maps.shop.groups]", 'inbound_maps.shop.groups]\nclients = "byers"')
    with two_realms.open(activate=False) as container:
        codes = ("CF-CTR-092", "CF-CTR-093", "CF-CTR-094")
        assert found(container, *codes) == [
            ("error", "CF-CTR-092", "realms.partners.inbound_maps.shop"),
            ("warning", "CF-CTR-093", "realms.partners.inbound_maps.shop"),
            ("note", "CF-CTR-094", "realms.partners.inbound_maps.shop"),
        ]
        (unknown,) = [f for f in container.findings() if f.code == "CF-CTR-092"]
        assert "bob, carol will be refused" in unknown.text


def test_check_says_where_a_cache_has_no_effect(two_realms: ProfileFolder) -> None:
    two_realms.edit('path = "partners.toml"', 'path = "partners.toml"\ngroup_cache = "1m"')
    with two_realms.open(activate=False) as container:
        assert found(container, "CF-CTR-095") == [("warning", "CF-CTR-095", "realms.partners.group_cache")]


def test_a_map_can_be_asked_without_a_message(two_realms: ProfileFolder) -> None:
    with two_realms.open(activate=False) as container:
        assert container.explain_inbound("alice", "shop", groups=["x"], realm="partners").answer == "ann"
        with pytest.raises(ConfigError, match="CF-CTR-091"):
            container.explain_inbound("alice", "partners")
        with pytest.raises(ConfigError, match="CF-CTR-090"):
            container.explain_inbound("alice", "shop", realm="nowhere")
        own, other = sorted(container.realms_status(), key=lambda realm: not realm["own"])
        assert (own["realm"], own["inbound_maps"], other["applications"]) == ("shop", [], ["shop"])
        assert other["inbound_maps"] == [
            {"from": "shop", "unmapped": "refuse", "users": {"ann": ["alice"], "cleo": ["carol"]}, "groups": {}}
        ]


def test_a_realm_whose_users_can_t_be_read_starts_nothing(two_realms: ProfileFolder) -> None:
    (two_realms.folder / "partners.toml").unlink()
    with pytest.raises(ConfigError, match="CF-SEC-030"):
        two_realms.open()


def test_the_single_realm_of_a_container_goes_on_as_before(profile: ProfileFolder, tmp_path: Path) -> None:
    with profile.open() as container:
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
        assert container.realms == ("shop",)
    assert audited(profile, "inflow") == []


@pytest.mark.parametrize(
    ("edit", "said"),
    [("x = [", "CF-SEC-032"), ('[users.eve]\npassword = "plain"\n', "CF-SEC-"), (None, "it has gone")],
)
def test_a_wrong_edit_of_the_users_is_a_finding_until_it_is_right(
    profile: ProfileFolder, edit: str | None, said: str
) -> None:
    users = profile.folder / "users.toml"
    good = users.read_bytes()

    def told(container: Container) -> list[tuple[str, str]]:
        return [(f.severity, f.text) for f in container.findings() if f.code == "CF-CTR-581"]

    with profile.open() as container:
        assert told(container) == []
        users.unlink() if edit is None else users.write_text(edit)
        [(severity, text)] = told(container)
        assert (severity, said in text) == ("error", True)
        with container.login("alice", profile.password):
            pass  # known last
        users.write_bytes(good)
        assert told(container) == []
