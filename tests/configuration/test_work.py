"""FLOW-1: `[work]`, how many works of adapters may run at once."""

from __future__ import annotations

import pytest
from support_configuration import Deployment

from connector.work.limits import AdapterLimits, WorkLimits


def test_without_the_section_there_are_the_documented_limits(deployment: Deployment) -> None:
    assert deployment.load("").work == WorkLimits(max_threads=16, max_long_running=64)


def test_limits_are_read_for_all_and_for_single_adapters(deployment: Deployment) -> None:
    work = deployment.load(
        """
        [work]
        max_threads = 8
        max_long_running = 4
        per_adapter.post = { max_threads = 3 }
        """
    ).work
    assert (work.max_threads, work.max_long_running) == (8, 4)
    assert work.of("post") == AdapterLimits(max_threads=3, max_long_running=None)
    assert work.of("database") == AdapterLimits()


def test_the_environment_may_say_it_as_well(deployment: Deployment) -> None:
    assert deployment.load("", environ={"CONNECTOR__WORK__MAX_THREADS": "5"}).work.max_threads == 5


@pytest.mark.parametrize(
    ("text", "code", "key_path", "says"),
    [
        ("max_threads = 0", "CF-CONF-012", "work.max_threads", "at least 1"),
        ("max_thread = 3", "CF-CONF-010", "work.max_thread", "Did you mean 'max_threads'?"),
        ("per_adapter.pots = {}", "CF-CONF-040", "work.per_adapter.pots", "Did you mean 'post'?"),
        ("per_adapter.post = { max_threads = 17 }", "CF-CONF-065", "work.per_adapter.post.max_threads", "at most 16"),
        ("per_adapter.post = { max_long_running = 0 }", "CF-CONF-012", "work.per_adapter.post.max_long_running", ""),
    ],
)
def test_a_mistake_has_its_place_and_what_is_allowed(
    deployment: Deployment, text: str, code: str, key_path: str, says: str
) -> None:
    problem = deployment.problem(f"[work]\n{text}")
    assert (problem.code, problem.key_path) == (code, key_path)
    assert says in str(problem)
    assert problem.line
