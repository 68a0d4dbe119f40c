"""SIGN-4: a login configuration's options are held against what its module declares, with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_configuration import Deployment
from support_plugins import entry_points_of, install

from connector.container.plugins.catalogue import PluginCatalogue

_MAPPER_TOML = """
    spi = "1"
    [mappers.mapping.options.table]
    type = "path"
    doc = "Where the table is."
    [mappers.mapping.options.realm]
    [mappers.mapping.options.strict]
    type = "boolean"
    default = true
    [mappers.mapping.options.key]
    type = "secret"
    [mappers.realmless.options.table]
    type = "path"
"""


@pytest.fixture
def mapping(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    site = tmp_path / "maps"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    modules = {name: f"cf_option_maps.{name}:Module" for name in ("mapping", "realmless", "free")}
    files = {
        "cf_option_maps/__init__.py": "raise RuntimeError('checking a configuration must not import mappers')",
        "cf_option_maps/mapper.toml": _MAPPER_TOML,
    }
    install(site, "connector-maps", {"connector.mappers": modules}, files)
    catalogue = PluginCatalogue.discover(entry_points=entry_points_of(site), environ={})
    return Deployment(deployment.folder, catalogue)


def _stack(*entries: str) -> str:
    return "[login.Mine]\nstack = [\n" + "".join(f"  {entry},\n" for entry in entries) + "]\n"


def _options(deployment: Deployment, entry: str) -> dict[str, object]:
    return dict(deployment.load(_stack(entry)).login["Mine"].stack[0].options)


def test_paths_are_relative_to_the_configuration_and_defaults_are_filled_in(mapping: Deployment) -> None:
    given = _options(mapping, '{ module = "mapping", flag = "required", options = { table = "callers.toml" } }')

    assert given == {"table": mapping.folder / "callers.toml", "strict": True, "realm": "home"}


def test_the_realm_is_the_containers_own_unless_it_is_given_or_not_an_option(mapping: Deployment) -> None:
    other = _options(mapping, '{ module = "mapping", flag = "required", options = { realm = "partners" } }')

    assert other["realm"] == "partners"
    assert _options(mapping, '{ module = "realmless", flag = "required" }') == {}


def test_a_secret_among_the_options_is_no_text(mapping: Deployment) -> None:
    (mapping.folder / "key").write_text("a key\n")

    given = _options(mapping, '{ module = "mapping", flag = "required", options = { key = "file:key" } }')

    assert "a key" not in repr(given)


def test_options_that_nobody_declares_are_left_as_they_are(mapping: Deployment) -> None:
    given = _options(mapping, '{ module = "free", flag = "optional", options = { anything = ["goes"] } }')

    assert given == {"anything": ["goes"]}


def test_all_mistakes_of_all_links_are_told_with_their_lines(mapping: Deployment) -> None:
    problems = mapping.problems(
        _stack(
            '{ module = "mapping", flag = "required", options = { tabel = "callers.toml", strict = "yes" } }',
            '{ module = "realmless", flag = "required", options = { realm = "home" } }',
        )
    )

    text = (mapping.folder / "connector.toml").read_text().splitlines()
    first, second = (next(n for n, line in enumerate(text, 1) if name in line) for name in ("tabel", "realmless"))
    assert [(problem.code, problem.line, problem.key_path) for problem in problems] == [
        ("CF-CONF-032", first, "login.Mine.stack[0].options.strict"),
        ("CF-CONF-030", first, "login.Mine.stack[0].options.tabel"),
        ("CF-CONF-030", second, "login.Mine.stack[1].options.realm"),
    ]
    assert "Did you mean 'table'?" in problems[1].hint


@pytest.mark.parametrize(
    ("flag", "consequence"),
    [
        ("required", "it is required, so the login fails, once the others have been asked"),
        ("requisite", "it is requisite, so the login fails at once"),
        ("sufficient", "it is sufficient, so the others are asked and one of them must succeed"),
        ("optional", "it is optional, so the others are asked and one of them must succeed"),
    ],
)
def test_a_missing_module_is_named_with_the_consequence_of_its_flag(
    mapping: Deployment, flag: str, consequence: str
) -> None:
    for module, code in (("maping", "CF-CONF-040"), ("cf_option_maps.mapping:Module", "CF-CONF-056")):
        problem = mapping.problem(_stack(f'{{ module = "{module}", flag = "{flag}" }}'))
        assert problem.code == code
        assert repr(module) in problem.found
        assert consequence in problem.hint
