"""The pytest plugin (entry point `connector-testing`): options, fixtures, and nothing heavy at load.

It is loaded in every pytest run of every environment that the framework is installed in; the kit itself is imported
when a contract is collected or an option asks for it. It takes no part in a run without contracts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from connector.testing.bench import AdapterBench
    from connector.testing.inbound_bench import InboundBench
    from connector.testing.subject_under_test import Claims, Identification

# Assertions in the contracts explain themselves only when pytest rewrites them.
pytest.register_assert_rewrite("connector.testing.contracts")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The kit's options."""
    group = parser.getgroup("connector", "conformance kit of connector-framework")
    group.addoption(
        "--connector-adapter",
        metavar="MODULE:BACKEND",
        help="certify the adapter of this connector.testing.Backend with connector.testing.kit",
    )
    group.addoption(
        "--connector-mapper",
        metavar="MODULE:BACKEND",
        help="certify the login module of this connector.testing.MapperBackend with connector.testing.kit",
    )
    group.addoption(
        "--connector-store",
        metavar="MODULE:BACKEND",
        help="certify the store of this connector.testing.StoreBackend with connector.testing.kit",
    )
    group.addoption(
        "--connector-registry",
        metavar="MODULE:BACKEND",
        help="certify the user registry of this connector.testing.RegistryBackend with connector.testing.kit",
    )
    group.addoption(
        "--connector-inbound",
        metavar="MODULE:BACKEND",
        help="certify the inbound adapter of this connector.testing.InboundBackend with connector.testing.kit",
    )
    group.addoption("--connector-report", metavar="PATH", help="write the conformance kit's report to this JSON file")


@pytest.hookimpl(trylast=True)  # after whoever shuffles: the meta-tests come last
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Get the recorder ready where contracts were collected."""
    if "connector.testing.contract" in sys.modules:
        from connector.testing.collection import prepare

        prepare(config, items)
    elif config.getoption("connector_report"):
        raise pytest.UsageError("--connector-report: no contract of the conformance kit was collected")


def pytest_report_teststatus(report: pytest.TestReport | pytest.CollectReport) -> tuple[str, str, str] | None:
    """What does not apply is counted apart from what was skipped."""
    if report.skipped and isinstance(report, pytest.TestReport) and "connector.testing.recording" in sys.modules:
        from connector.testing.recording import is_not_applicable

        if is_not_applicable(report):
            return "not applicable", "n", "NOT APPLICABLE"
    return None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """One line a subject, and the report's file."""
    if "connector.testing.collection" in sys.modules:
        from connector.testing.collection import conclude

        conclude(config, terminalreporter.write_line)


# --- fixtures: those at the top are what authors override ---------------------------------------------------------


@pytest.fixture(scope="session")
def connector_backend(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The opened `connector.testing.Backend`: override it, or give --connector-adapter."""
    from connector.testing.collection import named_backend

    with named_backend(request.config, "connector_adapter") as backend:
        yield backend


@pytest.fixture(scope="session")
def connector_mapper(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The `connector.testing.MapperBackend`; override it likewise, or give --connector-mapper."""
    from connector.testing.collection import named_backend

    with named_backend(request.config, "connector_mapper") as backend:
        yield backend


@pytest.fixture(scope="session")
def connector_store(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The opened `connector.testing.StoreBackend`; override it likewise, or give --connector-store."""
    from connector.testing.collection import named_backend

    with named_backend(request.config, "connector_store") as backend:
        yield backend


@pytest.fixture(scope="session")
def connector_registry(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The opened `connector.testing.RegistryBackend`; override it likewise, or give --connector-registry."""
    from connector.testing.collection import named_backend

    with named_backend(request.config, "connector_registry") as backend:
        yield backend


@pytest.fixture(scope="session")
def connector_inbound(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The opened `connector.testing.InboundBackend`; override it likewise, or give --connector-inbound."""
    from connector.testing.collection import named_backend

    with named_backend(request.config, "connector_inbound") as backend:
        yield backend


@pytest.fixture
def connector_identification(request: pytest.FixtureRequest) -> Identification:
    """Who is certified, for the report."""
    from connector.testing.subject_under_test import Identification, descriptor_of

    if getattr(request.cls, "kind", None) == "mapper":
        return Identification.of_mapper(request.getfixturevalue("connector_mapper"))
    if getattr(request.cls, "kind", None) == "store":
        return Identification.of_store(request.getfixturevalue("connector_store"))
    if getattr(request.cls, "kind", None) == "registry":
        return Identification.of_registry(request.getfixturevalue("connector_registry"))
    inbound = getattr(request.cls, "kind", None) == "inbound"
    backend = request.getfixturevalue("connector_inbound" if inbound else "connector_backend")
    return Identification.of_adapter(backend, descriptor_of(backend))


@pytest.fixture
def connector_claims(request: pytest.FixtureRequest) -> Claims:
    """What applies to whoever is certified; of an adapter what the backend's very resource has."""
    from connector.testing.subject_under_test import Claims, claims_of_registry, claims_of_store

    if getattr(request.cls, "kind", None) == "mapper":
        return Claims(frozenset(), {})
    if getattr(request.cls, "kind", None) == "store":
        return claims_of_store(request.getfixturevalue("connector_store"))
    if getattr(request.cls, "kind", None) == "registry":
        return claims_of_registry(request.getfixturevalue("connector_registry"))
    if getattr(request.cls, "kind", None) == "inbound":
        inbound: Claims = request.getfixturevalue("connector_inbound_bench").claims
        return inbound
    bench: AdapterBench = request.getfixturevalue("connector_bench")
    return bench.claims


@pytest.fixture
def connector_bench(connector_backend: Any, tmp_path: Path) -> Iterator[AdapterBench]:
    """A started adapter for one test, with all that the test makes on it."""
    from connector.testing.bench import AdapterBench
    from connector.testing.subject_under_test import claims_of, descriptor_of

    declared = descriptor_of(connector_backend)
    bench = AdapterBench(connector_backend, declared, claims_of(connector_backend, declared), tmp_path)
    try:
        yield bench
    finally:
        bench.close()


@pytest.fixture
def connector_inbound_bench(connector_inbound: Any, tmp_path: Path) -> Iterator[InboundBench]:
    """A started inbound adapter for one test, in a small container of its own."""
    from connector.testing.inbound_bench import InboundBench
    from connector.testing.subject_under_test import claims_of_inbound, descriptor_of

    declared = descriptor_of(connector_inbound)
    claims = claims_of_inbound(connector_inbound, declared)
    bench = InboundBench(connector_inbound, declared, claims, tmp_path)
    try:
        yield bench
    finally:
        bench.close()
