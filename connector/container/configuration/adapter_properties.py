"""Tables that an adapter declares in its `ra.toml`, checked without importing the adapter (CONF-2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.origins import Origins, Place
from connector.container.configuration.problems import ProblemCollector, did_you_mean, listed
from connector.container.configuration.quantities import DURATION_ALLOWED, SIZE_ALLOWED, duration, size
from connector.container.configuration.secret_sources import resolve_secret
from connector.errors import Reason
from connector.spi import ConfigProperty

PROPERTY_UNKNOWN = Reason("CF-CONF-030", "the unknown property {key!r}", "Remove it or correct its name.")
PROPERTY_MISSING = Reason("CF-CONF-031", "no property {key!r}", "Add it. {doc}")
PROPERTY_WRONG = Reason("CF-CONF-032", "{value}", "{doc}")
PROPERTY_NOT_A_CHOICE = Reason("CF-CONF-033", "{value}", "{doc}")
PROPERTY_TOO_SMALL = Reason("CF-CONF-034", "{value}", "{doc}")
PROPERTY_DISCOURAGED = Reason("CF-CONF-035", "{value}, which is allowed and not advisable", "{doc}")

_ANY_NAME = "*"
_WRONG: Final = object()

_ALLOWED = {
    "string": "a string",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "duration": DURATION_ALLOWED,
    "size": SIZE_ALLOWED,
    "secret": "a string: file:PATH, env:NAME or the secret itself",
    "path": "a path, relative to the file",
    "list": "a list",
    "table": "a table",
    "any": "anything",
}

#: The types that a declaration may use.
PROPERTY_TYPES = frozenset(_ALLOWED)


@dataclass(frozen=True, slots=True)
class PropertyChecker:
    """Checks tables against declarations; collects mistakes and goes on.

    Attributes:
        folder: What relative paths start from, absolute.
        environ: Where `env:NAME` secrets come from.
        problems: Where mistakes go.
    """

    folder: Path
    environ: Mapping[str, str]
    problems: ProblemCollector

    def table(
        self, values: Mapping[str, Any], declared: Mapping[str, ConfigProperty], path: KeyPath
    ) -> Mapping[str, Any]:
        """The table with values converted and defaults filled in, read-only. What is absent and has no default stays
        absent. Durations become seconds, sizes bytes, paths absolute, secrets `Secret`. Blocks for secrets in files.
        """
        checked: dict[str, Any] = {}
        names = [name for name in declared if name != _ANY_NAME]
        for name in names:
            prop = declared[name]
            if name not in values:
                if prop.required:
                    self.problems.add(PROPERTY_MISSING, (*path, name), allowed=allowed_of(prop), key=name, doc=prop.doc)
                elif prop.default is not None:
                    checked[name] = self._converted(prop.default, prop, (*path, name))
        for key, value in values.items():
            known = declared.get(key) or declared.get(_ANY_NAME)
            if known is None or key == _ANY_NAME:
                hint = did_you_mean(key, names)
                self.problems.add(PROPERTY_UNKNOWN, (*path, key), allowed=listed(names), hint=hint, key=key)
            else:
                checked[key] = self._value(value, known, (*path, key))
        return MappingProxyType(checked)

    def _value(self, value: Any, prop: ConfigProperty, path: KeyPath) -> Any:
        converted = self._converted(value, prop, path)
        if converted is _WRONG:
            self._note(PROPERTY_WRONG, value, prop, path)
        elif prop.choices and value not in prop.choices:
            hint = did_you_mean(value, map(str, prop.choices)) if isinstance(value, str) else ""
            self._note(PROPERTY_NOT_A_CHOICE, value, prop, path, hint)
        elif prop.minimum is not None and isinstance(converted, int | float) and converted < prop.minimum:
            self._note(PROPERTY_TOO_SMALL, value, prop, path)
        elif prop.discouraged is not None and converted == prop.discouraged:
            shown = self.problems.describe(value, path)
            self.problems.warn(PROPERTY_DISCOURAGED, path, allowed=allowed_of(prop), value=shown, doc=prop.doc)
        return converted

    def _converted(self, value: Any, prop: ConfigProperty, path: KeyPath) -> Any:
        """The value as the first declared type that it fits, or `_WRONG`."""
        for kind in types_of(prop):
            match kind:
                case "table" if isinstance(value, Mapping):
                    return self.table(value, prop.properties, path) if prop.properties else _frozen(value)
                case "list" if isinstance(value, list):
                    return self._items(value, prop, path)
                case "secret" if isinstance(value, str):
                    return resolve_secret(value, path, folder=self.folder, environ=self.environ, problems=self.problems)
                case "path" if isinstance(value, str) and value:
                    return self.folder / value
                case "any":
                    return _frozen(value)
                case scalar if scalar in _SCALARS:
                    converted = _SCALARS[scalar](value)
                    if converted is not _WRONG:
                        return converted
        return _WRONG

    def _items(self, values: list[Any], prop: ConfigProperty, path: KeyPath) -> tuple[Any, ...]:
        if prop.items is None:
            return tuple(_frozen(value) for value in values)
        return tuple(self._value(value, prop.items, (*path, number)) for number, value in enumerate(values))

    def _note(self, reason: Reason, value: Any, prop: ConfigProperty, path: KeyPath, hint: str = "") -> None:
        secret = "secret" in types_of(prop)
        shown = "a value of another kind" if secret else self.problems.describe(value, path)
        self.problems.add(reason, path, allowed=allowed_of(prop), hint=hint, value=shown, doc=prop.doc)


def default_fits(prop: ConfigProperty) -> bool:
    """Whether a declared default obeys its own declaration: checked where the declaration is read, not where it is
    used, since it would be the adapter's mistake and not the deployer's. Pure.
    """
    if prop.default is None or "secret" in types_of(prop):
        return prop.default is None or isinstance(prop.default, str)
    problems = ProblemCollector(Origins(Place("", None)))
    PropertyChecker(Path(), {}, problems).table({prop.name: prop.default}, {prop.name: prop}, ())
    return not problems.problems


def types_of(prop: ConfigProperty) -> tuple[str, ...]:
    """The types that a property may have, in the order in which they are tried."""
    return tuple(part.strip() for part in prop.type.split("|"))


def allowed_of(prop: ConfigProperty) -> str:
    """What a property may be, in words."""
    if prop.choices:
        return "one of " + ", ".join(repr(choice) for choice in prop.choices)
    words = " or ".join(_ALLOWED[kind] for kind in types_of(prop))
    least = "" if prop.minimum is None else f", at least {prop.minimum:g}"
    return f"{words}{least}{f' ({prop.unit})' if prop.unit else ''}"


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    # bool is an int in Python and not in TOML
    return lambda value: value if type(value) in kinds else _WRONG


def _quantity(parse: Callable[[object], float]) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        try:
            return parse(value)
        except ValueError:
            return _WRONG

    return convert


_SCALARS: Mapping[str, Callable[[Any], Any]] = {
    "string": _exactly(str),
    "boolean": _exactly(bool),
    "integer": _exactly(int),
    "number": _exactly(int, float),
    "duration": _quantity(duration),
    "size": _quantity(size),
}


def _frozen(value: Any) -> Any:
    """A read-only view of a free value."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: _frozen(below) for key, below in value.items()})
    return tuple(_frozen(below) for below in value) if isinstance(value, list) else value
