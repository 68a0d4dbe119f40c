from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from support_plugins import ADAPTER_CLASS, entry_points_of, install, ra_toml
from support_secrets import MARKER, shows_marker

from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.info import PluginInfo, PluginState
from connector.errors import PluginError
from connector.spi import Capability, ResourceAdapter

_ADAPTERS = "connector.adapters"
_MAPPERS = "connector.mappers"
_PLUGINS = "connector.plugins"


def discover(site: Path, **options: object) -> PluginCatalogue:
    options.setdefault("environ", {})
    return PluginCatalogue.discover(entry_points=entry_points_of(site), **options)  # type: ignore[arg-type]


def info(catalogue: PluginCatalogue, name: str, group: str = _ADAPTERS) -> PluginInfo:
    found = catalogue.info(group, name)
    assert found is not None
    return found


def install_adapter(site: Path, name: str, module_text: str = ADAPTER_CLASS, *, more: str = "") -> None:
    package = f"cf_plugin_{name}"
    install(
        site,
        f"connector-{name}",
        {_ADAPTERS: {name: f"{package}:Adapter"}},
        {f"{package}/__init__.py": module_text, f"{package}/ra.toml": ra_toml(name, more=more)},
    )


def test_an_adapter_is_listed_with_what_it_provides_without_importing_it(site: Path) -> None:
    more = 'capabilities = ["inbound", "validation"]\n[sections.echoes]\ntype = "table"\n'
    install_adapter(site, "echo", "raise RuntimeError('imported')", more=more)
    catalogue = discover(site)
    assert info(catalogue, "echo") == PluginInfo(
        _ADAPTERS,
        "echo",
        "connector-echo",
        "1.0",
        PluginState.AVAILABLE,
        provides=("inbound", "validation", "[echoes]"),
    )
    assert catalogue.adapters["echo"].capabilities == {Capability.INBOUND, Capability.VALIDATION}
    assert "cf_plugin_echo" not in sys.modules


def test_loading_imports_once_and_records_it(site: Path) -> None:
    install_adapter(site, "echo")
    catalogue = discover(site)
    loaded = catalogue.load(_ADAPTERS, "echo")
    assert issubclass(loaded, ResourceAdapter)
    assert catalogue.load(_ADAPTERS, "echo") is loaded
    assert info(catalogue, "echo").state == "loaded"


def test_a_broken_plugin_is_named_and_the_others_still_load(site: Path) -> None:
    install_adapter(site, "bad", "import no_such_module_at_all")
    install_adapter(site, "good")
    catalogue = discover(site)
    with pytest.raises(PluginError, match=r"'bad' .* connector-bad.*no_such_module_at_all") as caught:
        catalogue.load(_ADAPTERS, "bad")
    assert caught.value.code == "CF-PLUG-003"
    assert catalogue.load(_ADAPTERS, "good")
    assert info(catalogue, "bad").state is PluginState.FAILED
    assert "bad" not in catalogue.adapters
    with pytest.raises(PluginError) as again:
        catalogue.load(_ADAPTERS, "bad")
    assert again.value.code == "CF-PLUG-002"


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "raise ValueError", "def x(:", "x = 1", "raise KeyError('k')"])
def test_whatever_an_import_does_becomes_a_plugin_error(site: Path, text: str) -> None:
    install_adapter(site, "bad", text)
    with pytest.raises(PluginError):
        discover(site).load(_ADAPTERS, "bad")


def test_what_an_import_raises_is_not_quoted_since_it_may_hold_anything(site: Path) -> None:
    install_adapter(site, "bad", f"raise ValueError({MARKER!r})")
    catalogue = discover(site)
    with pytest.raises(PluginError, match="ValueError") as caught:
        catalogue.load(_ADAPTERS, "bad")
    assert not shows_marker(str(caught.value))
    assert not shows_marker(info(catalogue, "bad"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Adapter = object", "no subclass of connector.spi.ResourceAdapter"),
        ("Adapter = 3", "no subclass"),
        (
            "from connector.spi import ResourceAdapter\nclass Adapter(ResourceAdapter):\n    pass",
            "it lacks start, stop",
        ),
    ],
)
def test_an_adapter_that_breaks_its_contract_is_refused_with_the_reason(site: Path, text: str, reason: str) -> None:
    install_adapter(site, "odd", text)
    with pytest.raises(PluginError, match=reason):
        discover(site).load(_ADAPTERS, "odd")


def test_a_mapper_that_is_no_login_module_is_refused(site: Path) -> None:
    install(
        site,
        "connector-map",
        {_MAPPERS: {"half": "cf_plugin_map:Half", "no": "cf_plugin_map:No"}},
        {"cf_plugin_map.py": "No = 1\nclass Half:\n    def login(self): ...\n    def commit(self): ...\n"},
    )
    catalogue = discover(site)
    with pytest.raises(PluginError, match="it lacks initialize, abort, logout"):
        catalogue.load(_MAPPERS, "half")
    with pytest.raises(PluginError, match="can't be called"):
        catalogue.load(_MAPPERS, "no")


def test_an_adapter_for_another_spi_is_incompatible_and_never_imported(site: Path) -> None:
    install(
        site,
        "connector-new",
        {_ADAPTERS: {"new": "cf_plugin_new:Adapter"}},
        {"cf_plugin_new/__init__.py": ADAPTER_CLASS, "cf_plugin_new/ra.toml": ra_toml("new", spi="2-3")},
    )
    catalogue = discover(site)
    assert info(catalogue, "new").state == "incompatible"
    assert info(catalogue, "new").reason == "it was written for SPI 2 to 3, this is SPI 1"
    with pytest.raises(PluginError, match="incompatible"):
        catalogue.load(_ADAPTERS, "new")
    assert "cf_plugin_new" not in sys.modules


def test_an_adapter_without_descriptor_or_under_another_name_has_failed(site: Path) -> None:
    install(site, "a", {_ADAPTERS: {"bare": "cf_plugin_bare:A"}}, {"cf_plugin_bare/__init__.py": ""})
    install(
        site,
        "b",
        {_ADAPTERS: {"mine": "cf_plugin_mine:A"}},
        {"cf_plugin_mine/__init__.py": "", "cf_plugin_mine/ra.toml": ra_toml("yours")},
    )
    install(site, "c", {_ADAPTERS: {"gone": "cf_plugin_gone:A"}})
    catalogue = discover(site)
    assert info(catalogue, "bare").reason.startswith("CF-PLUG-010")
    assert info(catalogue, "gone").reason.startswith("CF-PLUG-010")
    assert info(catalogue, "mine").reason == "its ra.toml names it 'yours'"
    assert not catalogue.adapters


def test_two_distributions_that_bring_one_name_are_both_named_and_neither_loads(site: Path) -> None:
    for distribution in ("first", "second"):
        install(site, distribution, {_MAPPERS: {"same": f"cf_plugin_{distribution}:M"}})
    catalogue = discover(site)
    assert [i.state for i in catalogue.plugins if i.name == "same"] == ["failed", "failed"]
    with pytest.raises(PluginError, match=r"first 1\.0 and second 1\.0"):
        catalogue.load(_MAPPERS, "same")


def test_nobody_else_may_bring_a_built_in_name(site: Path) -> None:
    names = {_MAPPERS: {"default": "evil:M", "trusted": "evil:M"}, "connector.stores": {"file": "evil:S"}}
    install(site, "evil", names)
    install(site, "connector-framework", {_MAPPERS: {"default": "cf_plugin_default:M"}})
    catalogue = discover(site)
    evil = [i for i in catalogue.plugins if i.distribution == "evil"]
    assert len(evil) == 3
    assert all(i.state == "failed" and "SIGN-3" in i.reason for i in evil)
    assert info(catalogue, "default", _MAPPERS).distribution == "connector-framework"
    assert info(catalogue, "file", "connector.stores").distribution == "connector-framework"


def test_built_in_providers_are_there_without_entry_points_and_no_list_keeps_them_out() -> None:
    catalogue = PluginCatalogue.discover(allow=[], entry_points=[], environ={})
    assert catalogue.names("connector.stores") == ("env", "file")
    assert catalogue.names("connector.registries") == ("file",)
    for group, name in (("connector.stores", "env"), ("connector.stores", "file"), ("connector.registries", "file")):
        assert callable(catalogue.load(group, name))


def test_allow_and_deny_lists_block_by_name_group_or_distribution(site: Path) -> None:
    for name in ("one", "two", "three"):
        install_adapter(site, name)
    catalogue = discover(site, allow=["one", "adapters:two", "connector-three"], deny=["connector.adapters:one"])
    assert [(i.name, i.state) for i in catalogue.plugins if i.group == _ADAPTERS] == [
        ("one", "blocked"),
        ("three", "available"),
        ("two", "available"),
    ]
    with pytest.raises(PluginError, match="deny list"):
        catalogue.load(_ADAPTERS, "one")


def test_lists_only_narrow_down(site: Path) -> None:
    install_adapter(site, "one")
    install_adapter(site, "two")
    catalogue = discover(site, allow=["one", "two"], environ={"CONNECTOR_LOAD_PLUGINS": "one, other"})
    assert set(catalogue.adapters) == {"one"}
    catalogue.restrict(allow=["two"])
    assert set(catalogue.adapters) == set()


def test_an_empty_variable_allows_nothing(site: Path) -> None:
    install_adapter(site, "one")
    assert not discover(site, environ={"CONNECTOR_LOAD_PLUGINS": ""}).adapters


def test_a_plugin_that_was_loaded_and_is_then_blocked_is_given_out_no_more(site: Path) -> None:
    install_adapter(site, "one")
    catalogue = discover(site)
    catalogue.load(_ADAPTERS, "one")
    catalogue.restrict(deny=["one"])
    with pytest.raises(PluginError, match="blocked"):
        catalogue.load(_ADAPTERS, "one")


@pytest.mark.parametrize("options", [{"strict": True}, {"environ": {"CONNECTOR_STRICT_PLUGINS": "1"}}])
def test_strictness_refuses_plugins_that_can_not_be_used(site: Path, options: dict[str, object]) -> None:
    install(site, "a", {_ADAPTERS: {"bare": "cf_plugin_bare:A"}})
    with pytest.raises(PluginError, match="bare") as caught:
        discover(site, **options)
    assert caught.value.code == "CF-PLUG-004"
    assert discover(site, deny=["bare"], **options).names(_ADAPTERS) == ()


def test_an_unknown_plugin_is_refused_with_a_suggestion(site: Path) -> None:
    install_adapter(site, "echo")
    with pytest.raises(PluginError, match="'echo'") as caught:
        discover(site).load(_ADAPTERS, "ehco")
    assert caught.value.code == "CF-PLUG-001"


def test_other_groups_are_nobody_s_business(site: Path) -> None:
    install(site, "a", {"console_scripts": {"x": "y:z"}, "pytest11": {"p": "q"}})
    assert {i.distribution for i in discover(site).plugins} == {"connector-framework"}


def test_two_threads_that_load_one_plugin_get_the_same(site: Path) -> None:
    install_adapter(site, "echo")
    catalogue = discover(site)
    loaded: list[object] = []
    threads = [threading.Thread(target=lambda: loaded.append(catalogue.load(_ADAPTERS, "echo"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded) == 4
    assert len({id(one) for one in loaded}) == 1


def test_our_own_plugins_are_installed_and_described() -> None:
    catalogue = PluginCatalogue.discover(environ={})
    own = [i for i in catalogue.plugins if i.distribution == "connector-framework"]
    assert {"sql", "bus"} <= {i.name for i in own if i.group == _ADAPTERS}
    assert {"default", "trusted"} <= {i.name for i in own if i.group == _MAPPERS}
    assert [i for i in own if not i.usable] == []


_GAUGE_TOML = '[plugin]\nname = "{name}"\nspi = "{spi}"\n[sections.gauge]\ntype = "table"\n'


def install_plugin(site: Path, *, name: str = "gauge", spi: str = "1", text: str | None = None) -> PluginInfo:
    files = {"cf_plugin_gauge/__init__.py": "raise RuntimeError('imported')"}
    files["cf_plugin_gauge/plugin.toml"] = _GAUGE_TOML.format(name=name, spi=spi) if text is None else text
    install(site, "connector-gauge", {_PLUGINS: {"gauge": "cf_plugin_gauge:plugin"}}, files)
    return info(discover(site), "gauge", _PLUGINS)


def test_a_plugin_is_listed_with_the_sections_that_it_owns_without_importing_it(site: Path) -> None:
    listed = install_plugin(site)
    assert (listed.state, listed.provides) == (PluginState.AVAILABLE, ("[gauge]",))
    assert discover(site).described["gauge"].sections["gauge"].type == "table"
    assert "cf_plugin_gauge" not in sys.modules


def test_a_plugin_without_a_plugin_toml_owns_nothing_and_can_be_used(site: Path) -> None:
    install(site, "connector-bare", {_PLUGINS: {"bare": "cf_plugin_bare"}}, {"cf_plugin_bare.py": ""})
    catalogue = discover(site)
    assert info(catalogue, "bare", _PLUGINS).usable
    assert catalogue.described == {}


@pytest.mark.parametrize(
    ("options", "state", "reason"),
    [
        ({"spi": "2-3"}, PluginState.INCOMPATIBLE, "written for SPI 2 to 3"),
        ({"name": "other"}, PluginState.FAILED, "its plugin.toml names it 'other'"),
        ({"text": "[plugin]\nname = 'gauge'\nspii = '1'\n"}, PluginState.FAILED, "plugin.toml:3"),
        (
            {"text": "[plugin]\nname = 'gauge'\nspi = '1'\n[sections.s]\ntype = 'integer'\ndefault = 'x'\n"},
            PluginState.FAILED,
            "sections.s: its default",
        ),
    ],
)
def test_a_wrong_plugin_toml_keeps_the_plugin_out_with_the_reason(
    site: Path, options: dict[str, str], state: PluginState, reason: str
) -> None:
    listed = install_plugin(site, **options)
    assert listed.state is state
    assert reason in listed.reason
