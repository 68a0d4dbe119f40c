"""Writes the generated pages: `errors.md`, `cli.md` from the commands' help, `configuration.md`, `kit.md`, a tutorial.

python docs/generate.py          # write them
python docs/generate.py --check  # exit 1 if they differ from what is there (a test does this)
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from configuration_page import configuration_page
from kit_page import kit_page
from tutorial_page import tutorial_page

from connector import errors
from connector.admin.main import main as main_command

HERE = Path(__file__).parent
PACKAGES = (
    "connector",
    "connector_sql",
    "connector_bus",
    "connector_amqp",
    "connector_default",
    "connector_trusted",
    "connector_kerberos",
    "connector_platform",
    "connector_onetoone",
    "connector_configured",
    "connector_metrics",
    "connector_keyring",
    "connector_sqlstore",
    "connector_sqlregistry",
    "connector_ldap",
    "connector_web",
)
FAMILIES = {
    "CONF": "Configuration",
    "PLUG": "Plugins",
    "SEC": "Identity, realms, roles",
    "AUTHD": "Authentication data",
    "SIGN": "Sign-on",
    "POOL": "Pool",
    "OUT": "Outbound",
    "WORK": "Work",
    "ENDP": "Endpoints",
    "KIT": "Conformance kit",
    "CTR": "Container",
    "ADM": "Command line and administration",
    "SQL": "SQL adapter",
    "KRB": "Kerberos mapping",
    "PLAT": "Platform identity mapping",
    "BUS": "Service integration bus",
    "METR": "Metrics plugin",
    "KEYR": "Store in a keyring",
    "SQLS": "Store in a SQL table",
    "SQLR": "User registry in SQL tables",
    "MAP": "Mapping modules",
    "LDAP": "LDAP directory",
    "WEB": "Web identity",
}


def load_everything() -> None:
    """Import all modules, so that every reason is in the catalogue."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)


def errors_page() -> str:
    """The table of codes and the tree of classes."""
    lines = [
        "# Errors",
        "",
        "Generated from the code by `docs/generate.py`. Every refusal has a stable code, says what was found and what",
        "to do, and never holds a secret; where a decision led to it, the error carries its explanation.",
        "",
        "## Classes: whose fault it is",
        "",
        "```text",
        *_tree(errors.ConnectorError, 0),
        "```",
        "",
        "The number is the command line's exit code.",
        "",
    ]
    by_family: dict[str, list[errors.Reason]] = {}
    for reason in errors.catalogue():
        _, family, *_ = reason.code.split("-")
        by_family.setdefault(family, []).append(reason)
    for family, reasons in sorted(by_family.items()):
        lines += [f"## {FAMILIES.get(family, family)}", "", "| code | what was found | what to do |", "|---|---|---|"]
        lines += [f"| `{r.code}` | {_cell(r.text)} | {_cell(r.action)} |" for r in reasons]
        lines.append("")
    return "\n".join(lines)


def _tree(kind: type[errors.ConnectorError], depth: int) -> Iterator[str]:
    first = (inspect.getdoc(kind) or "").splitlines()[0]
    yield f"{'    ' * depth}{kind.__name__} ({kind.exit_code}): {first}"
    for child in kind.__subclasses__():
        yield from _tree(child, depth + 1)


def _cell(text: str) -> str:
    text = re.sub(r"\{(\w+)[^{}]*\}", r"*\1*", text)  # inserts, without their conversions
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").replace("{{", "{").replace("}}", "}")


def cli_page() -> str:
    """The help of every command, as the command line prints it."""
    lines = [
        "# Command line",
        "",
        "Generated from the code by `docs/generate.py`. On a running container commands go through its admin socket",
        "(see the [security model](security-model.md)); where none runs they work on the profile's files.",
        "",
    ]
    context = click.Context(main_command, info_name="connector", terminal_width=100, max_content_width=100)
    for path, command, inner in _commands(main_command, context, "connector"):
        lines += [f"## `{path}`", "", "```text", command.get_help(inner).rstrip(), "```", ""]
    return "\n".join(lines)


def _commands(
    command: click.Command, context: click.Context, path: str
) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield path, command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                inner = click.Context(child, info_name=name, parent=context, terminal_width=100, max_content_width=100)
                yield from _commands(child, inner, f"{path} {name}")


def main() -> int:
    """Write the pages, or with `--check` compare them."""
    load_everything()
    pages = {
        HERE / "errors.md": errors_page(),
        HERE / "cli.md": cli_page(),
        HERE / "configuration.md": configuration_page(),
        HERE / "kit.md": kit_page(),
        HERE / "tutorial-securing.md": tutorial_page(),
    }
    if "--check" in sys.argv:
        stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text() != text]
        if stale:
            sys.stderr.write(f"stale: {', '.join(stale)}; run python docs/generate.py\n")
        return bool(stale)
    for path, text in pages.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
