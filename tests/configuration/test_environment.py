from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_configuration import Deployment

from connector.container.configuration.environment import environment_layer

_DATA: dict[str, Any] = {
    "container": {"name": "shop", "security": True},
    "resources": {"jdbc/ledger": {"pool": {"max_size": 5}, "properties": {"url": "x", "api_key_file": "y"}}},
}


def table(**environ: str) -> dict[str, Any]:
    layer = environment_layer({f"CONNECTOR__{name}": value for name, value in environ.items()}, _DATA)
    assert layer.problems == []
    return layer.table


def test_a_variable_means_the_key_that_spells_the_same_in_capitals() -> None:
    assert table(RESOURCES__JDBC_LEDGER__POOL__MAX_SIZE="20") == {
        "resources": {"jdbc/ledger": {"pool": {"max_size": 20}}}
    }


def test_a_key_that_is_not_there_is_made_in_lower_case() -> None:
    assert table(REALMS__HOME__PATH='"users.toml"') == {"realms": {"home": {"path": "users.toml"}}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20", 20),
        ("true", True),
        ('["a", "b"]', ["a", "b"]),
        ("{ a = 1 }", {"a": 1}),
        ("30s", "30s"),
        ('"20"', "20"),
        ("", ""),
        ("a, b", "a, b"),
        ("1, 2", "1, 2"),
        ("20,", "20,"),
        ("20 # twenty", "20 # twenty"),
        ("1]\nx = [2", "1]\nx = [2"),
    ],
)
def test_a_value_is_toml_where_the_whole_of_it_is_else_text(text: str, value: object) -> None:
    assert table(CONTAINER__NEW=text) == {"container": {"new": value}}


def test_where_a_text_stands_it_stays_text() -> None:
    assert table(CONTAINER__NAME="007", RESOURCES__JDBC_LEDGER__PROPERTIES__URL="12") == {
        "container": {"name": "007"},
        "resources": {"jdbc/ledger": {"properties": {"url": "12"}}},
    }


def test_a_file_suffix_takes_the_text_of_the_file_and_its_line_end_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("12345\n")
    assert table(RESOURCES__JDBC_LEDGER__PROPERTIES__PASSWORD_FILE=str(file)) == {
        "resources": {"jdbc/ledger": {"properties": {"password": "12345"}}}
    }


def test_a_key_that_ends_in_file_itself_is_no_file_to_read() -> None:
    assert table(RESOURCES__JDBC_LEDGER__PROPERTIES__API_KEY_FILE="/x") == {
        "resources": {"jdbc/ledger": {"properties": {"api_key_file": "/x"}}}
    }


def test_other_variables_are_nobody_s_business() -> None:
    assert environment_layer({"CONNECTOR_LOAD_PLUGINS": "x", "PATH": "/bin"}, _DATA).table == {}


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({"CONNECTOR__CONTAINER__": "1"}, "CF-CONF-020"),
        ({"CONNECTOR__": "1"}, "CF-CONF-020"),
        ({"CONNECTOR__CONTAINER__NAME__FIRST": "1"}, "CF-CONF-021"),
        ({"CONNECTOR__CONTAINER__NAME_FILE": "/no/such/file"}, "CF-CONF-023"),
    ],
)
def test_a_variable_that_makes_no_sense_is_a_problem_of_the_environment(environ: dict[str, str], code: str) -> None:
    (problem,) = environment_layer(environ, _DATA).problems
    assert (problem.code, problem.file, problem.line) == (code, "environment", None)
    assert next(iter(environ)) in problem.found


def test_a_variable_that_fits_two_keys_is_a_problem_that_names_them() -> None:
    data: dict[str, Any] = {"resources": {"jdbc/x": {}, "jdbc-x": {}}}
    (problem,) = environment_layer({"CONNECTOR__RESOURCES__JDBC_X__ADAPTER": "sql"}, data).problems
    assert problem.code == "CF-CONF-022"
    assert "jdbc-x, jdbc/x" in problem.allowed


def test_value_and_file_for_one_key_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "name"
    file.write_text("x")
    environ = {"CONNECTOR__CONTAINER__NAME": "a", "CONNECTOR__CONTAINER__NAME_FILE": str(file)}
    (problem,) = environment_layer(environ, _DATA).problems
    assert problem.code == "CF-CONF-024"


def test_precedence_is_overrides_over_environment_over_file_over_default(deployment: Deployment) -> None:
    text = """
    [resources.db]
    adapter = "database"
    properties = { url = "x" }
    """
    pool = "CONNECTOR__RESOURCES__DB__POOL__MAX_SIZE"
    in_file = text + "pool = { max_size = 2 }\n"
    assert deployment.load(text).resources["db"].pool.max_size == 10
    assert deployment.load(in_file).resources["db"].pool.max_size == 2
    assert deployment.load(in_file, environ={pool: "3"}).resources["db"].pool.max_size == 3
    overrides = {"resources": {"db": {"pool": {"max_size": 4}}}}
    loaded = deployment.load(in_file, environ={pool: "3"}, overrides=overrides)
    assert loaded.resources["db"].pool.max_size == 4
    assert loaded.origin(("resources", "db", "pool", "max_size")) == ("overrides", None)


def test_an_unknown_target_is_a_problem_of_the_environment_with_a_suggestion(deployment: Deployment) -> None:
    problem = deployment.problem("", environ={"CONNECTOR__CONTAINER__SECURITTY": "false"})
    assert (problem.code, problem.file, problem.line) == ("CF-CONF-010", "environment", None)
    assert "'security'" in problem.hint


def test_a_wrong_value_from_the_environment_is_not_shown(deployment: Deployment) -> None:
    problem = deployment.problem("", environ={"CONNECTOR__CONTAINER__SECURITY": "hunter2"})
    assert problem.found == "the string (from CONNECTOR__CONTAINER__SECURITY)"


def test_the_environment_reaches_into_applications(deployment: Deployment) -> None:
    deployment.write("shop.toml", '[references."jdbc/db"]\nbind = "db"\n')
    text = """
    [resources.db]
    adapter = "database"
    properties = { url = "x" }
    [resources.other]
    adapter = "database"
    properties = { url = "y" }
    [applications]
    shop = "shop.toml"
    """
    loaded = deployment.load(text, environ={"CONNECTOR__APPLICATIONS__SHOP__REFERENCES__JDBC_DB__BIND": "other"})
    assert loaded.applications["shop"].references["jdbc/db"].bind == "other"
    assert loaded.origin(("applications", "shop", "references", "jdbc/db", "bind")) == ("environment", None)


def test_the_environment_can_name_another_descriptor(deployment: Deployment) -> None:
    deployment.write("one.toml", "")
    deployment.write("two.toml", "[roles.buyer]\ngroups = ['buyers']\n")
    text = "[applications]\nshop = 'one.toml'\n"
    for name in ("CONNECTOR__APPLICATIONS__SHOP", "CONNECTOR__APPLICATIONS__SHOP__DESCRIPTOR"):
        loaded = deployment.load(text, environ={name: "two.toml"})
        assert set(loaded.applications["shop"].roles) == {"buyer"}
