from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_secrets import MARKER, shows_marker

from connector.container.configuration.adapter_properties import PropertyChecker
from connector.container.configuration.origins import Origins, Place
from connector.container.configuration.problems import ProblemCollector
from connector.spi import ConfigProperty, Secret


class Check:
    """One run of the checker, with what it noted."""

    def __init__(self, values: dict[str, Any], *declared: ConfigProperty, folder: Path = Path("/etc/shop")) -> None:
        self.problems = ProblemCollector(Origins(Place("connector.toml", 1)))
        checker = PropertyChecker(folder, {"PW": MARKER}, self.problems)
        self.result = checker.table(values, {prop.name: prop for prop in declared}, ("properties",))

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.problems.problems]


@pytest.mark.parametrize(
    ("kind", "value", "converted"),
    [
        ("string", "x", "x"),
        ("boolean", True, True),
        ("integer", 3, 3),
        ("number", 3, 3),
        ("number", 0.5, 0.5),
        ("duration", "2m", 120.0),
        ("duration", 5, 5.0),
        ("size", "1KiB", 1024),
        ("path", "keys/a.pem", Path("/etc/shop/keys/a.pem")),
        ("path", "/abs/a.pem", Path("/abs/a.pem")),
        ("list", [1, [2]], (1, (2,))),
        ("table", {"a": {"b": [1]}}, {"a": {"b": (1,)}}),
        ("any", "x", "x"),
        ("string|table", {"a": 1}, {"a": 1}),
        ("string | table", "x", "x"),
    ],
)
def test_a_value_of_the_declared_type_is_converted(kind: str, value: object, converted: object) -> None:
    check = Check({"p": value}, ConfigProperty("p", kind))
    assert check.codes == []
    assert check.result["p"] == converted


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 1),
        ("boolean", "true"),
        ("boolean", 1),
        ("integer", True),
        ("integer", 1.0),
        ("integer", "1"),
        ("number", True),
        ("duration", "soon"),
        ("size", "big"),
        ("path", ""),
        ("list", "x"),
        ("table", []),
        ("string|table", 1),
    ],
)
def test_a_value_of_another_type_is_a_problem_that_says_what_is_allowed(kind: str, value: object) -> None:
    check = Check({"p": value}, ConfigProperty("p", kind, doc="The doc."))
    (problem,) = check.problems.problems
    assert problem.code == "CF-CONF-032"
    assert problem.key_path == "properties.p"
    assert problem.allowed
    assert problem.hint == "The doc."


def test_defaults_are_filled_in_and_converted_and_the_rest_stays_absent() -> None:
    check = Check({}, ConfigProperty("wait", "duration", default="1m"), ConfigProperty("user"))
    assert check.result == {"wait": 60.0}


def test_defaults_are_filled_in_at_every_depth() -> None:
    inner = {"open": ConfigProperty("open", "boolean", default=True)}
    any_office = {"*": ConfigProperty("*", "table", properties=inner)}
    check = Check(
        {"offices": {"a": {}, "b": {"open": False}}}, ConfigProperty("offices", "table", properties=any_office)
    )
    assert check.result == {"offices": {"a": {"open": True}, "b": {"open": False}}}


def test_an_unknown_property_is_a_problem_with_a_suggestion() -> None:
    check = Check({"usre": "x"}, ConfigProperty("user"), ConfigProperty("url"))
    (problem,) = check.problems.problems
    assert problem.code == "CF-CONF-030"
    assert problem.allowed == "url, user"
    assert problem.hint == "Did you mean 'user'?"


def test_a_missing_property_is_a_problem_with_its_documentation() -> None:
    check = Check({}, ConfigProperty("url", required=True, doc="Where it is."))
    (problem,) = check.problems.problems
    assert problem.code == "CF-CONF-031"
    assert "Where it is." in problem.hint


def test_choices_and_minimum_are_checked() -> None:
    level = ConfigProperty("level", choices=("low", "high"))
    size = ConfigProperty("size", "integer", minimum=1, unit="connections")
    check = Check({"level": "hihg", "size": 0}, level, size)
    wrong_level, wrong_size = check.problems.problems
    assert (wrong_level.code, wrong_level.hint) == ("CF-CONF-033", "Did you mean 'high'?")
    assert (wrong_size.code, wrong_size.allowed) == ("CF-CONF-034", "an integer, at least 1 (connections)")


def test_the_elements_of_a_list_are_checked_one_by_one() -> None:
    prop = ConfigProperty("names", "list", items=ConfigProperty("names", "string"))
    check = Check({"names": ["a", 2, "c", 4]}, prop)
    assert [problem.key_path for problem in check.problems.problems] == ["properties.names[1]", "properties.names[3]"]


def test_a_key_that_is_called_star_is_not_the_declaration_of_all_names() -> None:
    any_name = ConfigProperty("*", "integer")
    assert Check({"*": 1}, any_name).codes == ["CF-CONF-030"]
    assert Check({"x": 1}, any_name).result == {"x": 1}


def test_a_secret_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(MARKER + "\n")
    for source in ("file:pw", f"file:{tmp_path / 'pw'}", "env:PW"):
        check = Check({"password": source}, ConfigProperty("password", "secret"), folder=tmp_path)
        assert check.result["password"] == Secret(MARKER)
        assert check.problems.problems == check.problems.warnings == ()
        assert not shows_marker(check.result)


def test_a_secret_that_is_not_there_is_a_problem() -> None:
    prop = ConfigProperty("password", "secret")
    assert Check({"password": "file:/no/such/file"}, prop).codes == ["CF-CONF-036"]
    assert Check({"password": "env:NOT_SET"}, prop).codes == ["CF-CONF-037"]


def test_a_secret_in_plain_text_is_taken_and_warned_of_without_showing_it() -> None:
    check = Check({"password": MARKER}, ConfigProperty("password", "secret"))
    assert check.codes == []
    assert check.result["password"] == Secret(MARKER)
    (warning,) = check.problems.warnings
    assert warning.code == "CF-CONF-038"
    assert not shows_marker(warning)


def test_a_wrong_value_in_the_place_of_a_secret_is_not_shown() -> None:
    check = Check({"login": [MARKER]}, ConfigProperty("login", "secret"))
    (problem,) = check.problems.problems
    assert not shows_marker(problem)


def test_the_result_can_not_be_changed() -> None:
    check = Check({"t": {"a": {}}}, ConfigProperty("t", "table"))
    tables: tuple[Any, ...] = (check.result, check.result["t"], check.result["t"]["a"])
    for table in tables:
        with pytest.raises(TypeError):
            table["x"] = 1
