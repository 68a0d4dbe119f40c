"""TOML texts in all the styles that people write, for hypothesis: headers, dotted keys, inline tables, comments."""

from __future__ import annotations

from typing import Any

import tomlkit
from hypothesis import strategies as st

KEYS = st.sampled_from(["a", "b", "c-d", "e.f", "g h", 'q"q', "forecast.requests", "ü", "1"])
SCALARS = st.one_of(
    st.integers(-99, 99),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.text(alphabet="xy #\"'\\\n=[]{},ü", max_size=6),
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=3)),
    max_leaves=5,
)
COMMENTS = st.sampled_from(["", "", "  # why", " # x = 1 [y]", '# "'])


def _key(key: str) -> str:
    return key if key.replace("-", "").isalnum() and key.isascii() else tomlkit.item(key).as_string()


@st.composite
def _written(draw: Any, value: Any, *, indent: str = "") -> str:
    """A value in one of its ways to be written."""
    if isinstance(value, dict):
        inner = ", ".join(f"{_key(key)} = {draw(_written(below))}" for key, below in value.items())
        return f"{{ {inner} }}" if draw(st.booleans()) and inner else f"{{{inner}}}"
    if isinstance(value, list):
        items = [draw(_written(below)) for below in value]
        if items and draw(st.booleans()):
            lines = "".join(f"\n{indent}  {item},{draw(COMMENTS)}" for item in items)
            return f"[{lines}\n{indent}]" if draw(st.booleans()) else f"[  # list{lines}\n# end\n{indent}]"
        return f"[{', '.join(items)}{',' if items and draw(st.booleans()) else ''}]"
    if isinstance(value, str) and "\\" not in value and draw(st.booleans()):
        if "'" not in value and "\n" not in value:
            return f"'{value}'"
        if '"' not in value:
            return f'"""\n{value}"""'
    return str(tomlkit.item(value).as_string())


@st.composite
def _statements(draw: Any, taken: set[str]) -> list[str]:
    lines: list[str] = []
    for key in draw(st.lists(KEYS, max_size=3, unique=True)):
        if key in taken:
            continue
        taken.add(key)
        if draw(st.integers(0, 3)) == 0:
            lines.append(f"# above {key}")
        if draw(st.integers(0, 3)) == 0:
            lines.extend(
                f"{_key(key)} . {_key(below)} = {draw(_written(draw(SCALARS)))}{draw(COMMENTS)}"
                for below in draw(st.lists(KEYS, min_size=1, max_size=2, unique=True))
            )
        else:
            lines.append(f"{_key(key)}={draw(_written(draw(VALUES)))}{draw(COMMENTS)}")
        if draw(st.integers(0, 3)) == 0:
            lines.append("")
    return lines


@st.composite
def toml_texts(draw: Any) -> str:
    """A text that tomllib accepts: some statements at the top, then tables, some below others, in any order."""
    lines = ["# the file", ""] if draw(st.booleans()) else []
    top: set[str] = set()
    lines += draw(_statements(top))
    arrays: dict[str, int] = {}
    seen: dict[tuple[str, ...], set[str]] = {}
    for path in draw(st.lists(st.lists(KEYS, min_size=1, max_size=3).map(tuple), max_size=5, unique=True)):
        if path[0] in top or path[0] in arrays:
            continue
        # What is a value in a table can't be opened by a header, and what a header has opened can't be a value.
        if any(
            path[: len(known)] == known and len(path) > len(known) and path[len(known)] in keys
            for known, keys in seen.items()
        ):
            continue
        taken = {known[len(path)] for known in seen if known[: len(path)] == path and len(known) > len(path)}
        lines += draw(st.sampled_from([[], [""], ["", "# a table"]]))
        if len(path) == 1 and not any(known[0] == path[0] for known in seen) and draw(st.integers(0, 4)) == 0:
            arrays[path[0]] = draw(st.integers(1, 2))
            for _ in range(arrays[path[0]]):
                lines += [f"[[{_key(path[0])}]]", *draw(_statements(set()))]
            continue
        lines += [f"[{' . '.join(map(_key, path))}]{draw(COMMENTS)}"]
        lines += draw(_statements(taken))
        seen[path] = taken
    return "\n".join(lines) + str(draw(st.sampled_from(["\n", ""])))
