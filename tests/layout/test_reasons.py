"""Every reason of the catalogue can happen: what is declared is used where it is declared, or by who imports it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [file for folder in ("connector", "adapters", "mappers", "plugins") for file in (ROOT / folder).rglob("*.py")]


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


def test_every_declared_reason_is_used() -> None:
    trees = {file: ast.parse(file.read_text()) for file in FILES}
    used = {file: read(tree) for file, tree in trees.items()}
    elsewhere = set().union(*(imported(tree) for tree in trees.values()))
    reasons = [(file, name, code) for file, tree in trees.items() for name, code in declared(tree)]
    assert len(reasons) > 200
    never = [
        f"{code}: {name} in {file.relative_to(ROOT)} is never raised or told"
        for file, name, code in reasons
        if name not in used[file] and (file.stem, name) not in elsewhere
    ]
    assert never == []
