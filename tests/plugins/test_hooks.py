from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from support_plugins import entry_points_of, install
from support_secrets import MARKER

from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.hooks import HookCaller
from connector.spi import AuditEvent, Measurement, Outcome

_GROUP = "connector.plugins"


class Seen:
    """Implements connector.spi.ObservedContainer for one plugin."""

    name = "shop"

    def __init__(self, plugin: str) -> None:
        self.sections = {"of": plugin}

    def measurements(self) -> tuple[Measurement, ...]:
        return ()


observed = Seen
_LISTENER = """
    from connector.spi.hooks import hookimpl

    heard = []

    @hookimpl
    def connector_container_started(container):
        heard.append(("started", container))

    @hookimpl
    def connector_container_stopping():
        heard.append(("stopping",))
"""


def catalogue_of(site: Path, *names: str) -> PluginCatalogue:
    install(site, "hooked", {_GROUP: {name: f"cf_hooks_{name}" for name in names}})
    return PluginCatalogue.discover(entry_points=entry_points_of(site), environ={})


def test_plugins_hear_what_happens(site: Path) -> None:
    (site / "cf_hooks_a.py").write_text("from cf_hooks_listener import *\n")
    install(site, "listener", {}, {"cf_hooks_listener.py": _LISTENER})
    hooks = HookCaller(catalogue_of(site, "listener"), "shop")
    hooks.container_started(observed)
    hooks.container_stopping()
    assert sys.modules["cf_hooks_listener"].heard == [("started", "shop"), ("stopping",)]


def test_a_plugin_sees_its_own_sections_and_the_container_of_each_event(site: Path) -> None:
    text = """
        from connector.spi.hooks import hookimpl

        heard = []

        @hookimpl
        def connector_container_started(observed):
            heard.append(observed.sections["of"])

        @hookimpl
        def connector_audit_event(event, container):
            heard.append((event.action, container))
    """
    install(site, "files", {}, {"cf_hooks_eye.py": text})
    hooks = HookCaller(catalogue_of(site, "eye"), "shop")
    hooks.container_started(observed)
    hooks.audit_event(AuditEvent("login", "alice", "realm shop", Outcome.SUCCESS))
    assert sys.modules["cf_hooks_eye"].heard == ["eye", ("login", "shop")]


def test_a_plugin_that_can_not_start_is_recorded_with_its_own_words_if_they_are_ours(site: Path) -> None:
    text = """
        from connector.errors import PluginError, Reason
        from connector.spi.hooks import hookimpl

        @hookimpl
        def connector_container_started(container):
            raise {raised}
    """
    ours = text.format(raised='PluginError(Reason("CF-TEST-PLUG-001", "the port is taken.", "Take another."))')
    install(
        site, "files", {}, {"cf_hooks_ours.py": ours, "cf_hooks_other.py": text.format(raised=f"OSError({MARKER!r})")}
    )
    catalogue = catalogue_of(site, "ours", "other")
    HookCaller(catalogue, "shop").container_started(observed)
    reasons = {info.name: info.reason for info in catalogue.plugins if info.state == "failed"}
    assert reasons == {"ours": "CF-TEST-PLUG-001: the port is taken. Take another.", "other": "OSError"}


def test_what_a_hook_raises_is_logged_by_type_and_keeps_nobody_from_hearing(
    site: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = f"""
        from connector.spi.hooks import hookimpl

        @hookimpl
        def connector_container_started(container):
            raise ValueError({MARKER!r})
    """
    install(site, "files", {}, {"cf_hooks_bad.py": bad, "cf_hooks_a.py": _LISTENER, "cf_hooks_z.py": _LISTENER})
    hooks = HookCaller(catalogue_of(site, "a", "bad", "z"), "shop")
    with caplog.at_level(logging.ERROR, "connector.container"):
        hooks.container_started(observed)
    assert [sys.modules[name].heard for name in ("cf_hooks_a", "cf_hooks_z")] == [[("started", "shop")]] * 2
    assert "'bad'" in caplog.text
    assert "ValueError" in caplog.text
    assert MARKER not in caplog.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError", "RuntimeError"),
        (
            "from connector.spi.hooks import hookimpl\n@hookimpl\ndef connector_no_such_hook(): ...\n",
            "a hook that does not exist",
        ),
        (
            "from connector.spi.hooks import hookimpl\n@hookimpl\ndef connector_container_started(colour): ...\n",
            "a hook that does not exist",
        ),
    ],
)
def test_a_plugin_that_can_not_listen_is_recorded_and_left_out(
    site: Path, text: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    install(site, "files", {}, {"cf_hooks_bad.py": text, "cf_hooks_good.py": _LISTENER})
    catalogue = catalogue_of(site, "bad", "good")
    hooks = HookCaller(catalogue, "shop")
    hooks.container_started(observed)
    info = catalogue.info(_GROUP, "bad")
    assert info is not None
    assert info.state == "failed"
    assert reason in info.reason
    assert "'bad'" in caplog.text
    assert sys.modules["cf_hooks_good"].heard == [("started", "shop")]


def test_a_class_in_place_of_an_object_is_refused_with_a_hint(site: Path) -> None:
    install(site, "files", {}, {"cf_hooks_kind.py": "class Plugin: ...\n"})
    install(site, "hooked", {_GROUP: {"kind": "cf_hooks_kind:Plugin"}})
    catalogue = PluginCatalogue.discover(entry_points=entry_points_of(site), environ={})
    HookCaller(catalogue, "shop")
    info = catalogue.info(_GROUP, "kind")
    assert info is not None
    assert "name an object or a module" in info.reason


def test_a_blocked_plugin_is_not_imported(site: Path) -> None:
    install(site, "files", {}, {"cf_hooks_quiet.py": _LISTENER})
    catalogue = catalogue_of(site, "quiet")
    catalogue.restrict(deny=["quiet"])
    HookCaller(catalogue, "shop").container_started(observed)
    assert "cf_hooks_quiet" not in sys.modules
