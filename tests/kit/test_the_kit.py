"""The kit itself: it notices every sabotage, takes no override in silence, and reports what does not apply apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import support_saboteurs  # its classes don't run here: they are made to fail
from support_secrets import MARKER

from connector.spi import SPI_VERSION, Capability
from connector.testing import KIT_VERSION, OutboundCoreContract
from connector.testing.contract import Contract, requirements_in
from connector.testing.requirement import (
    Facet,
    InboundFacet,
    RegistryFacet,
    StoreFacet,
    requirement,
    requirement_of,
    requirements,
)
from connector.testing.subject_under_test import Claims

ROOT = Path(__file__).parents[2]
SABOTEURS = {
    name: value
    for name, value in vars(support_saboteurs).items()
    if name.startswith("Test") and isinstance(value, type) and issubclass(value, Contract)
}
ECHO = "--connector-adapter=connector_echo.conformance:EchoBackend"


def run_pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A pytest of its own, with our settings."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_CORE"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=300)


def nodes_of(saboteur: type[Contract], ids: tuple[str, ...]) -> list[str]:
    """The names of the tests that check these requirements; for the meta-test the others as well."""
    named = {name: requirement_of(getattr(saboteur, name)) for name in dir(saboteur) if name.startswith("test_")}
    return [name for name, found in named.items() if found is not None and (found.id in ids or "KIT-001" in ids)]


@pytest.fixture(scope="module")
def sabotage(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, dict[str, Any]], str]:
    """What the kit found, by class: id to requirement line; and what was printed."""
    report = tmp_path_factory.mktemp("kit") / "report.json"
    nodes = [
        f"{ROOT / 'tests/support_saboteurs.py'}::{name}::{test}"
        for name, saboteur in SABOTEURS.items()
        for test in nodes_of(saboteur, getattr(saboteur, "breaks", ()) or ("OUT-CORE-040",))
    ]
    # Python's own tracebacks: nobody reads them, and pytest's parse the source of each failure.
    done = run_pytest("--tb=native", f"--connector-report={report}", *nodes)
    assert done.returncode == 1, done.stdout[-2000:]
    found: dict[str, dict[str, Any]] = {}
    for subject in json.loads(report.read_text())["subjects"]:
        for line in subject["requirements"]:
            found.setdefault(line["test"].split("::")[1], {})[line["id"]] = {**line, "subject": subject}
    return found, report.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, value in SABOTEURS.items() if getattr(value, "breaks", ())])
def test_the_kit_notices_the_sabotage(name: str, sabotage: tuple[dict[str, dict[str, Any]], str]) -> None:
    lines = sabotage[0][name]
    breaks = SABOTEURS[name].breaks  # type: ignore[attr-defined]  # the parameters are those that have it
    assert {each: lines[each]["outcome"] for each in breaks} == dict.fromkeys(breaks, "failed")


@pytest.mark.slow
def test_an_admitted_failure_is_a_deviation_with_its_reason(sabotage: tuple[dict[str, dict[str, Any]], str]) -> None:
    line = sabotage[0]["TestAdmits"]["OUT-CORE-040"]
    assert (line["outcome"], line["reason"]) == ("deviation", "the echo server has a bad day")
    assert [each["id"] for each in line["subject"]["deviations"]] == ["OUT-CORE-040"]


@pytest.mark.slow
def test_the_report_shows_no_password(sabotage: tuple[dict[str, dict[str, Any]], str]) -> None:
    assert MARKER not in sabotage[1]


def test_every_requirement_of_the_kit_is_broken_by_some_saboteur_or_listed_here() -> None:
    """What no saboteur breaks, each with the reason."""
    unbroken = {
        "OUT-CORE-001",  # broken by an ra.toml, of which the echo adapter has one
        "OUT-CORE-010",  # where it is broken nothing works
        "OUT-CORE-033",  # needs a server that lets nobody in
        "OUT-CORE-042",  # the echo adapter does not claim matching
        "OUT-POOL-002",  # needs a handle that shares
    }
    broken = {each for saboteur in SABOTEURS.values() for each in getattr(saboteur, "breaks", ())}
    assert {each.id for each in requirements()} - broken == unbroken


def test_the_way_without_code_certifies_and_reports(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = run_pytest("--pyargs", "connector.testing.kit", ECHO, f"--connector-report={report}")
    assert done.returncode == 0, done.stdout
    assert "1 not applicable" in done.stdout
    assert "skipped" not in done.stdout
    written = json.loads(report.read_text())
    assert (written["kit"], written["spi"]) == (KIT_VERSION, SPI_VERSION)
    (subject,) = written["subjects"]
    assert (subject["name"], subject["version"], subject["backend"]) == ("echo", "1.0.0", "EchoBackend")
    assert {name: profile["verdict"] for name, profile in subject["profiles"].items()} == {
        "kit": "PASS",
        "outbound-async": "PASS",
        "outbound-core": "PASS",
        "outbound-pool": "PASS",
        "outbound-security": "PASS",
    }
    lines = {line["id"]: line for line in subject["requirements"]}
    assert lines["OUT-CORE-042"]["outcome"] == "not applicable"
    assert lines["OUT-CORE-042"]["reason"] == "the adapter does not claim matching"
    assert subject["claims"]["validation"] == "tested by 4 of 4"
    assert {line["id"] for line in subject["requirements"]} == {
        each.id for each in requirements() if not each.id.startswith(("MAP", "STORE", "REG", "IN-"))
    }


def test_what_the_resource_narrows_does_not_apply_and_the_report_says_why(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    narrowed = "--connector-adapter=support_saboteurs:NarrowedBackend"
    done = run_pytest("--pyargs", "connector.testing.kit", narrowed, f"--connector-report={report}")
    assert done.returncode == 0, done.stdout
    (subject,) = json.loads(report.read_text())["subjects"]
    assert subject["claims"]["reauthentication"] == subject["claims"]["identity-switch"] == "narrowed by the resource"
    assert subject["claims"]["validation"] == "tested by 4 of 4"
    outcomes = {line["id"]: (line["outcome"], line["reason"]) for line in subject["requirements"]}
    assert outcomes["OUT-SEC-040"] == (
        "not applicable",
        "the resource narrows what its adapter claims: no reauthentication",
    )
    assert outcomes["OUT-CORE-042"] == ("not applicable", "the adapter does not claim matching")
    gone = {outcome for name, (outcome, _) in outcomes.items() if name.startswith(("OUT-TRUST", "OUT-SEC-04"))}
    assert gone == {"not applicable"}


ASYNC_PART = ("-k", "a_connection_is_opened_on_the_loop or a_connection_of_the_loop_serves_again")


def test_an_adapter_for_asyncio_whose_backend_gives_nothing_for_it_is_told_what_to_give(
    tmp_path: Path,
) -> None:
    report = tmp_path / "report.json"
    threads = "--connector-adapter=support_saboteurs:ThreadsOnlyBackend"
    done = run_pytest("--pyargs", "connector.testing.kit", threads, f"--connector-report={report}", *ASYNC_PART)
    assert done.returncode == 1, done.stdout
    (subject,) = json.loads(report.read_text())["subjects"]
    assert {line["id"]: (line["outcome"], line["reason"]) for line in subject["requirements"]} == {
        "OUT-ASYNC-001": (
            "failed",
            "NotImplementedError: ask who works on a connection for asyncio, or name Capability.ASYNC in `lacks`",
        ),
        "OUT-ASYNC-020": (
            "failed",
            "NotImplementedError: borrow a handle for asyncio, or name Capability.ASYNC in `lacks`",
        ),
    }


def test_where_a_backend_lacks_asyncio_its_profile_does_not_apply(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    lacking = "--connector-adapter=support_saboteurs:LoopLackingBackend"
    done = run_pytest("--pyargs", "connector.testing.kit", lacking, f"--connector-report={report}", *ASYNC_PART)
    assert done.returncode == 0, done.stdout
    (subject,) = json.loads(report.read_text())["subjects"]
    assert subject["profiles"]["outbound-async"]["verdict"] == "NOT APPLICABLE"
    assert {line["reason"] for line in subject["requirements"]} == {"no async here: it is tried on threads only"}


def test_what_a_backend_lacks_is_told_by_its_own_words_also_where_the_resource_narrows_it() -> None:
    declared = frozenset({Capability.VALIDATION, Capability.ASYNC, *Facet})
    claims = Claims(declared, {Capability.ASYNC: "no loop here"}).narrowed_to(frozenset())
    assert claims.why_not((Capability.ASYNC,)) == "no async here: no loop here"
    assert claims.why_not((Capability.VALIDATION,)) == "the resource narrows what its adapter claims: no validation"
    assert claims.has(Facet.USERS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --connector-adapter=MODULE:BACKEND"),
        (("--connector-adapter=no_such_module:Backend",), "No module named 'no_such_module'"),
        (("--connector-adapter=connector_echo:EchoResourceAdapter",), "EchoResourceAdapter, which is no backend"),
    ],
)
def test_a_backend_that_can_t_be_had_is_said_plainly(arguments: tuple[str, ...], said: str) -> None:
    done = run_pytest("--pyargs", "connector.testing.kit", *arguments, "-x")
    assert done.returncode != 0
    assert said in done.stdout + done.stderr


def test_an_override_without_an_admission_is_refused_where_it_is_written() -> None:
    with pytest.raises(TypeError, match=r"Mine\.test_a_connection_is_opened overrides a test of OutboundCoreContract"):

        class Mine(OutboundCoreContract):
            def test_a_connection_is_opened(self) -> None:  # type: ignore[override]
                pass


def test_taking_a_test_away_is_refused() -> None:
    with pytest.raises(TypeError, match="overrides a test"):
        type("Mine", (OutboundCoreContract,), {"test_a_connection_is_opened": None})


def test_an_override_from_a_mixin_is_refused() -> None:
    class Mixin:
        def test_a_connection_is_opened(self) -> None:
            pass

    with pytest.raises(TypeError, match="overrides a test"):
        type("Mine", (Mixin, OutboundCoreContract), {})


def test_an_admission_needs_a_reason() -> None:
    @pytest.mark.xfail
    def override(self: object) -> None:
        pass

    with pytest.raises(TypeError, match="xfail"):
        type("Mine", (OutboundCoreContract,), {"test_a_connection_is_opened": override})


def test_an_admission_runs_the_contract_s_own_test() -> None:
    @pytest.mark.xfail(reason="known")
    def override(self: object) -> None:
        pass

    mine: Any = type("Mine", (OutboundCoreContract,), {"test_a_connection_is_opened": override})
    made = mine.test_a_connection_is_opened
    assert made.__code__ is OutboundCoreContract.test_a_connection_is_opened.__code__
    assert [(mark.name, mark.kwargs) for mark in made.pytestmark] == [("xfail", {"reason": "known", "strict": True})]
    assert not hasattr(OutboundCoreContract.test_a_connection_is_opened, "pytestmark")


def test_an_id_is_declared_once() -> None:
    with pytest.raises(ValueError, match="OUT-CORE-001 is declared twice"):
        requirement("OUT-CORE-001", "Another sentence.")


def test_every_requirement_is_one_sentence_and_every_capability_it_needs_is_known() -> None:
    for each in requirements():
        assert each.sentence.endswith("."), each.id
        assert all(
            isinstance(need, Capability | Facet | StoreFacet | RegistryFacet | InboundFacet) for need in each.needs
        ), each.id
    assert len(requirements_in(OutboundCoreContract)) == sum(
        each.id.startswith(("OUT-CORE", "KIT")) for each in requirements()
    )


def test_the_plugin_loads_nothing_heavy() -> None:
    code = (
        "import pytest, sys; before = set(sys.modules); import connector.testing.pytest_plugin;"
        "print(sorted(m for m in set(sys.modules) - before if not m.startswith('_')))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['connector', 'connector.testing', 'connector.testing.pytest_plugin']"
