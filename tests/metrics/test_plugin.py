"""The plugin in a real container: counted while it runs, served where the configuration says so (OPS-2)."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parsed
from support_container import ProfileFolder, request
from support_secrets import MARKER

from connector import Container
from connector.container.observed import observed_by
from connector.errors import AuthenticationFailed, RequestFailed
from connector_metrics import plugin

LISTEN = '[metrics]\nlisten = "127.0.0.1:0"\n'


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[ProfileFolder]:
    made = ProfileFolder(tmp_path)
    # Counts are kept by the container's name: each test has its own.
    made.edit('name = "shop"', f'name = "{tmp_path.name}"')
    yield made
    sys.modules.pop(made.module, None)


def scrape(container: Container) -> dict[str, Metric]:
    """What a Prometheus would read."""
    server = plugin.server(container.name)
    assert server is not None
    with closing(HTTPConnection(*server.address, timeout=20)) as client:
        client.request("GET", "/metrics")
        text = client.getresponse().read().decode()
    assert MARKER not in text
    return {family.name: family for family in parsed(text)}


def values(family: Metric, *labels: str) -> dict[tuple[str, ...], float]:
    return {tuple(sample.labels[label] for label in labels): sample.value for sample in family.samples}


def test_a_scrape_tells_of_pools_deliveries_sign_ons_logins_and_refusals(profile: ProfileFolder) -> None:
    with profile.configuration.open("a") as file:
        file.write(LISTEN)
    with profile.open() as container:
        request(container, "alice", {"item": "tea"}, profile.password)
        with pytest.raises(RequestFailed):
            request(container, "carol", {"item": "tea"}, profile.password)
        with pytest.raises(AuthenticationFailed):
            container.login("alice", "a guess")
        seen = scrape(container)

    pool, state = "db_client_connection_pool_name", "db_client_connection_state"
    count = values(seen["db_client_connection_count"], pool, state)
    assert (count["jdbc/orders", "idle"], count["jdbc/orders", "used"]) == (1, 0)
    assert values(seen["db_client_connection_max"], pool)[("jdbc/orders",)] == 2
    deliveries = values(seen["connector_deliveries"], "activation", "outcome")
    assert deliveries["shop:jms/orders", "success"] == 1
    assert deliveries["shop:jms/orders", "denied"] >= 1
    assert values(seen["connector_sign_ons"], "resource", "outcome")["jdbc/orders", "success"] >= 1
    assert values(seen["connector_logins"], "outcome")[("denied",)] == 1
    refusals = values(seen["connector_refusals"], "action", "code")
    assert refusals["deliver", "CF-ENDP-010"] == deliveries["shop:jms/orders", "denied"]
    assert {sample.labels["container"] for family in seen.values() for sample in family.samples} == {container.name}
    assert "connector_pool_connections" not in seen


def test_the_pools_of_threads_and_of_loops_are_told_apart_and_why_connections_went(profile: ProfileFolder) -> None:
    with profile.configuration.open("a") as file:
        file.write(LISTEN)

    async def main() -> dict[str, Metric]:
        async with factory.get_async_connection():
            return await asyncio.to_thread(scrape, container)

    with profile.open() as container:
        factory = container.lookup("jdbc/orders")
        with factory.get_connection():
            pass
        container.pool("jdbc/orders").purge()
        seen = asyncio.run(main())
    kind, state, pool = "connector_pool_kind", "db_client_connection_state", "db_client_connection_pool_name"
    count = values(seen["db_client_connection_count"], pool, kind, state)
    assert (count["jdbc/orders", "threads", "used"], count["jdbc/orders", "loop", "used"]) == (0, 1)
    assert values(seen["connector_pool_connections_closed"], kind, "connector_reason") == {("threads", "purged"): 1}
    assert ("jms/shop", "loop", "used") not in count  # where no loop has asked there is nothing to tell


def test_the_endpoint_ends_with_its_container(profile: ProfileFolder) -> None:
    with profile.configuration.open("a") as file:
        file.write(LISTEN)
    with profile.open() as container:
        name, server = container.name, plugin.server(container.name)
    assert server is not None
    assert plugin.server(name) is None
    with pytest.raises(ConnectionRefusedError), closing(HTTPConnection(*server.address, timeout=20)) as client:
        client.request("GET", "/metrics")


def test_users_are_told_of_where_the_deployer_wants_it(profile: ProfileFolder) -> None:
    with profile.configuration.open("a") as file:
        file.write(f"{LISTEN}identities = true\n")
    with profile.open() as container:
        with container.lookup("jdbc/orders").get_connection():
            seen = scrape(container)
    used = values(seen["connector_pool_connections"], "connector_identity", "db_client_connection_state")
    assert used["the default user", "used"] == 1


def test_without_the_section_nothing_listens_and_an_application_can_still_ask(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert plugin.server(container.name) is None
        text = plugin.exposition(observed_by("metrics", container._parts)).decode()
    (size,) = (family for family in parsed(text) if family.name == "db_client_connection_max")
    assert {sample.labels["container"] for sample in size.samples} == {container.name}


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ('listen = "0.0.0.0:9464"', "CF-METR-001"),
        ('listen = "127.0.0.1:TAKEN"', "CF-METR-002"),
    ],
)
def test_metrics_that_can_not_be_served_take_nothing_down_and_check_tells_of_them(
    profile: ProfileFolder, section: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, profile.configuration.open("a") as file:
        port = taken.getsockname()[1]
        file.write(f"[metrics]\n{section.replace('TAKEN', str(port))}\n")
        file.flush()
        with caplog.at_level(logging.ERROR, "connector.container"), profile.open() as container:
            assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
            (finding,) = [found for found in container.findings() if found.place == "connector.plugins:metrics"]
    assert says in finding.text
    assert says in caplog.text


def test_without_the_library_a_configured_section_says_what_to_install(
    profile: ProfileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "connector_metrics.exposition", raising=False)
    with profile.configuration.open("a") as file:
        file.write(LISTEN)
    with profile.open() as container:
        (finding,) = [found for found in container.findings() if found.place == "connector.plugins:metrics"]
    assert "CF-METR-003" in finding.text
    assert "connector-framework[metrics]" in finding.text


def test_a_start_without_the_section_imports_neither_the_library_nor_a_server() -> None:
    code = "import sys, connector_metrics; print({'prometheus_client', 'http.server'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
