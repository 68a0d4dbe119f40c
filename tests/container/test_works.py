"""FLOW-1, FLOW-2: what a container makes of `[work]`, of required work contexts, and what it tells of works."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support_container import ProfileFolder, request, until
from support_plugins import install, ra_toml

from connector.container.configuration.surgery import SetValue
from connector.container.edit_report import Effect
from connector.container.observed import observed_by
from connector.errors import DeploymentError, WorkRejected
from connector.spi import IMMEDIATE

_ADAPTER = """
    from connector.spi import ResourceAdapter, SecurityContext

    class OwnContext(SecurityContext):
        pass

    class Adapter(ResourceAdapter):
        def start(self, context):
            self.context = context

        def stop(self):
            pass
"""


@pytest.fixture
def busy(profile: ProfileFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ProfileFolder]:
    """A profile with a resource of a further adapter, `busy`, that only keeps what it was started with."""

    def make(declared: str = "") -> ProfileFolder:
        site = tmp_path / "site"
        files = {"connector_busy_test/__init__.py": _ADAPTER}
        more = f"{declared}\n[sections.busy]\ntype = 'table'"
        files["connector_busy_test/ra.toml"] = ra_toml("busy", more=more)
        install(site, "connector-busy", {"connector.adapters": {"busy": "connector_busy_test:Adapter"}}, files)
        monkeypatch.syspath_prepend(str(site))
        profile.edit("[applications]", "[busy]\n\n[applications]")
        return profile

    monkeypatch.delitem(sys.modules, "connector_busy_test", raising=False)
    return make


def test_an_adapter_s_own_limit_is_that_of_the_configuration(busy: Callable[..., ProfileFolder]) -> None:
    profile = busy()
    profile.edit("[applications]", "[work]\nper_adapter.busy = { max_threads = 1 }\n\n[applications]")
    with profile.open() as container:
        works = container._parts.adapters["busy"].context.work_manager  # type: ignore[attr-defined]  # the test's own
        go_on = threading.Event()
        works.start_work(go_on.wait)
        with pytest.raises(WorkRejected, match="no thread is free for adapter busy"):
            works.do_work(lambda: None, start_timeout=IMMEDIATE)
        go_on.set()
        assert works.do_work(lambda: "its turn") == "its turn"


def test_a_change_of_the_limits_waits_for_a_restart(profile: ProfileFolder) -> None:
    with profile.open() as container:
        report = container.configuration.change([SetValue(("work", "max_threads"), 3)])
        assert (report.effect, report.restart) == (Effect.RESTART, ("work.max_threads",))
        assert container._parts.configuration.work.max_threads == 16


@pytest.mark.parametrize("name", ["SecurityContext", "HintsContext"])
def test_an_adapter_that_requires_a_supported_context_starts(busy: Callable[..., ProfileFolder], name: str) -> None:
    with busy(f'required_work_contexts = ["connector.spi.{name}"]').open() as container:
        assert "busy" in container.status()["adapters"]


def test_a_subclass_of_a_supported_context_is_another_one_and_stops_the_start(
    busy: Callable[..., ProfileFolder],
) -> None:
    profile = busy('required_work_contexts = ["connector.spi.HintsContext", "connector_busy_test.OwnContext"]')
    with pytest.raises(DeploymentError, match=r"CF-CTR-050.*'busy'.*connector_busy_test\.OwnContext"):
        profile.open()


@pytest.mark.parametrize("name", ["connector.spi.Subject", "connector.spi.Nothing", "no_such_module.Context", "x y"])
def test_what_is_no_work_context_at_all_stops_the_start(busy: Callable[..., ProfileFolder], name: str) -> None:
    with pytest.raises(DeploymentError, match="CF-CTR-051"):
        busy(f'required_work_contexts = ["{name}"]').open()


def test_status_and_measurements_count_the_works_of_each_adapter(profile: ProfileFolder) -> None:
    with profile.open() as container:
        request(container, "alice", {"item": "tea"}, profile.password)
        # The reply is sent within the delivery's work, which comes to its end after that.
        until(lambda: container.status()["works"]["bus"]["completed"])
        works = container.status()["works"]
        assert set(works) == {"bus", "sql"}
        assert works["bus"]["completed"] >= 1
        assert works["sql"] == dict.fromkeys(works["sql"], 0)
        measured = {
            (one.name, one.attributes["connector.adapter"]): one.value
            for one in observed_by("metrics", container._parts).measurements()
            if one.name.startswith("connector.work.completed")
        }
    assert measured["connector.work.completed", "bus"] >= works["bus"]["completed"]
    assert measured["connector.work.completed", "sql"] == 0
