"""Deployment: what decorator and descriptor together say of a handler, and what is refused (FLOW-5, FLOW-7)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_container import HANDLERS, ProfileFolder, request
from support_plugins import install

from connector.errors import ConfigError, DeploymentError, RequestFailed


def refused(profile: ProfileFolder) -> str:
    with pytest.raises(DeploymentError) as caught:
        profile.open()
    return caught.value.code


def test_a_handler_for_an_activation_that_the_descriptor_lacks_is_refused(profile: ProfileFolder) -> None:
    profile.handlers(HANDLERS.replace('"jms/orders"', '"jms/other"'))
    assert refused(profile) == "CF-CTR-021"


def test_two_handlers_for_one_activation_are_refused(profile: ProfileFolder) -> None:
    profile.handlers(HANDLERS + HANDLERS.replace("def take_order", "def take_it_too"))
    assert refused(profile) == "CF-CTR-023"


def test_a_role_that_nothing_binds_is_refused(profile: ProfileFolder) -> None:
    profile.handlers(HANDLERS.replace('{"buyer"}', '{"buyerr"}'))
    assert refused(profile) == "CF-CTR-025"


def test_the_descriptor_wins_over_the_decorator(profile: ProfileFolder) -> None:
    profile.edit("[roles.buyer]", '[roles.vip]\nusers = ["bob"]\n\n[roles.buyer]', descriptor=True)
    profile.edit("max_redeliveries = 1", 'max_redeliveries = 0\nroles_allowed = ["vip"]', descriptor=True)
    with profile.open() as container:
        with pytest.raises(RequestFailed, match="CF-ENDP-010"):
            request(container, "alice", {"item": "tea"}, profile.password)
        assert request(container, "bob", {"item": "tea"}, profile.password) == {"taken": "tea"}


def test_a_handler_without_roles_takes_any_caller_and_is_reported(profile: ProfileFolder) -> None:
    profile.handlers(HANDLERS.replace('roles_allowed={"buyer"}, ', ""))
    with profile.open() as container:
        assert request(container, "carol", {"item": "tea"}, profile.password) == {"taken": "tea"}
        assert [f.code for f in container.findings()] == ["CF-CTR-031"]


def test_everyone_and_all_authenticated_are_special_subjects_of_a_role(profile: ProfileFolder) -> None:
    profile.edit('groups = ["buyers"]', 'special = ["AllAuthenticated"]', descriptor=True)
    with profile.open() as container:
        assert request(container, "carol", {"item": "tea"}, profile.password) == {"taken": "tea"}


def test_an_unknown_alias_is_a_finding_before_anybody_trips_over_it(profile: ProfileFolder) -> None:
    profile.edit('alias = "shop-applications"', 'alias = "nobody-knows"', descriptor=True)
    with profile.open() as container:
        (finding,) = [f for f in container.findings() if f.severity == "error"]
        assert (finding.code, "nobody-knows" in finding.text) == ("CF-CTR-034", True)


def test_a_failed_activation_is_a_finding_with_the_adapter_s_reason(profile: ProfileFolder) -> None:
    profile.edit('roles = { receiver = ["user:shop-service"] }', "inherit_defaults = false")
    with profile.open() as container:
        (finding,) = [f for f in container.findings() if f.severity == "error"]
    assert (finding.code, finding.place) == ("CF-CTR-032", "shop:jms/orders")
    assert "CF-BUS-021" in finding.text


def test_a_plugin_that_can_t_be_used_is_a_finding_and_stops_nothing(
    profile: ProfileFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    install(site, "connector-echo", {"connector.adapters": {"echo": "echo_without_descriptor:Adapter"}})
    monkeypatch.syspath_prepend(str(site))
    with profile.open() as container:
        (finding,) = container.findings()
    assert (finding.severity, finding.code, finding.place) == ("warning", "CF-CTR-033", "connector.adapters:echo")
    assert "connector-echo 1.0" in finding.text


def test_a_mistake_that_the_bus_finds_in_its_section_has_file_and_line(profile: ProfileFolder) -> None:
    profile.edit('receiver = ["user:shop-service"]', 'receiver = ["sort-of:shop-service"]')
    with pytest.raises(ConfigError) as caught:
        profile.open()
    (problem,) = caught.value.problems
    line = profile.configuration.read_text().splitlines()[(problem.line or 0) - 1]
    assert "sort-of" in line
    assert problem.file.endswith("connector.toml")


def test_handlers_get_no_message_where_the_container_is_opened_to_look_on(profile: ProfileFolder) -> None:
    with profile.open(activate=False) as container:
        (activation,) = container.status()["activations"]
        assert activation["state"] == "inactive"
