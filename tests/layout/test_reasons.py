"""Every reason of the catalogue can happen: what is declared is used where it is declared, or by who imports it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [file for folder in ("connector", "adapters", "mappers", "plugins") for file in (ROOT / folder).rglob("*.py")]
TREES = {file: ast.parse(file.read_text()) for file in FILES}


def declared(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The name and the code of each reason that a module declares."""
    for statement in tree.body:
        match statement:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(func=ast.Name(id="Reason"), args=[ast.Constant(value=str(code)), *_]),
            ):
                yield name, code


def read(tree: ast.Module) -> set[str]:
    """The names that a module reads."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def imported(tree: ast.Module) -> set[tuple[str, str]]:
    """What a module imports and reads: the last part of the other module's name, and the name in it."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module is not None]
    names = read(tree)
    return {(str(n.module).rpartition(".")[2], a.name) for n in froms for a in n.names if a.name in names}


READ = {file: read(tree) for file, tree in TREES.items()}
IMPORTED = set().union(*(imported(tree) for tree in TREES.values()))
REASONS = [(file, name, code) for file, tree in TREES.items() for name, code in declared(tree)]


def test_the_reasons_are_found() -> None:
    assert len(REASONS) > 200


@pytest.mark.parametrize(("file", "name"), [pytest.param(file, name, id=code) for file, name, code in REASONS])
def test_a_declared_reason_is_used(file: Path, name: str) -> None:
    told = name in READ[file] or (file.stem, name) in IMPORTED
    assert told, f"{name} in {file.relative_to(ROOT)} is never raised or told"
