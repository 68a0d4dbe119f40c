"""Checking a table's shape: pydantic's findings become problems with place, allowed values and suggestion."""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import isclass
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.problems import ProblemCollector, did_you_mean, kind_of, listed
from connector.container.configuration.sections import Section
from connector.errors import Reason

KEY_UNKNOWN = Reason("CF-CONF-010", "the unknown key {key!r}", "Remove it or correct its name.")
KEY_MISSING = Reason("CF-CONF-011", "no key {key!r}", "Add it.")
VALUE_WRONG = Reason("CF-CONF-012", "{value}", "Correct the value.")
SECTION_NOT_TABLE = Reason("CF-CONF-016", "{value} in place of a table", "Write it as a table.")

S = TypeVar("S", bound=Section)

# What is allowed, by pydantic's type of error.
_ALLOWED = {
    "string_type": "a string",
    "int_type": "an integer",
    "bool_type": "true or false",
    "float_type": "a number",
    "tuple_type": "a list",
    "mapping_type": "a table",
    "dict_type": "a table",
    "model_type": "a table",
    "string_too_short": "a string that is not empty",
    "string_pattern_mismatch": '"user:NAME" or "group:NAME"',
}


class Shaped(Generic[S]):
    """A checked table.

    Attributes:
        section: The section; None where not even the rest of it can be used.
        broken: Keys that were wrong: in `section` they have their defaults, don't judge by them.
    """

    def __init__(self, section: S | None, broken: frozenset[str]) -> None:
        self.section = section
        self.broken = broken


def shaped(model: type[S], table: Any, path: KeyPath, problems: ProblemCollector) -> Shaped[S]:
    """Check a table against its model. Each mistake is noted; the checks that follow can work with what is right."""
    try:
        return Shaped(model.model_validate(table), frozenset())
    except ValidationError as failure:
        errors = failure.errors(include_url=False)
    for error in errors:
        _note(model, error, path, problems)
    if not isinstance(table, Mapping):
        return Shaped(None, frozenset())
    broken = frozenset(str(error["loc"][0]) for error in errors if error["loc"])
    try:
        usable = model.model_validate({key: value for key, value in table.items() if key not in broken})
    except ValidationError:  # a required key is missing or was wrong: said above
        return Shaped(None, broken)
    return Shaped(usable, broken)


def _note(model: type[Section], error: ErrorDetails, path: KeyPath, problems: ProblemCollector) -> None:
    where = path + error["loc"]
    key = str(where[-1]) if where else ""
    kind = error["type"]
    if kind == "extra_forbidden":
        owner = _model_at(model, error["loc"][:-1])
        problems.add(
            owner.refused.get(key, KEY_UNKNOWN),
            where,
            allowed=listed(owner.model_fields),
            hint="" if key in owner.refused else did_you_mean(key, owner.model_fields),
            key=key,
        )
    elif kind == "missing":
        owner = _model_at(model, error["loc"][:-1])
        required = [name for name, field in owner.model_fields.items() if field.is_required()]
        problems.add(KEY_MISSING, where, allowed=f"a table with {listed(required)}", key=key)
    else:
        found = error["input"]
        allowed, options = _allowed(error)
        hint = did_you_mean(found, options) if isinstance(found, str) else ""
        problems.add(VALUE_WRONG, where, allowed=allowed, hint=hint, value=problems.describe(found, where))


def _allowed(error: ErrorDetails) -> tuple[str, list[str]]:
    """What is allowed in words, and the choices if it is one of some."""
    context = error.get("ctx", {})
    match error["type"]:
        case "literal_error":
            return str(context["expected"]), re.findall(r"'([^']*)'", str(context["expected"]))
        case "greater_than_equal":
            return f"a number, at least {context['ge']}", []
        case "value_error":
            return str(context["error"]), []
        case kind:
            return _ALLOWED.get(kind, error["msg"]), []


def _model_at(model: type[Section], location: tuple[int | str, ...]) -> type[Section]:
    """The model of the table at a location. Sections hold sections directly, in lists or in tables of free names."""
    current = model
    parts = iter(location)
    for part in parts:
        annotation = current.model_fields[str(part)].annotation
        if get_origin(annotation) in (tuple, Mapping):
            next(parts, None)  # an element's index or name
        candidates = (annotation, *get_args(annotation))
        current = next(c for c in candidates if isclass(c) and issubclass(c, Section))
    return current


def table_of_tables(data: Mapping[str, Any], key: str, problems: ProblemCollector) -> Mapping[str, Any]:
    """The value of a top-level key that must be a table; an empty one where it is absent or something else."""
    value = data.get(key, {})
    if not isinstance(value, Mapping):
        problems.add(SECTION_NOT_TABLE, (key,), allowed=f"a table [{key}]", value=kind_of(value))
        return {}
    return value
