"""What the pytest plugin does once contracts are about: backends by name, the recorder, the report."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from connector.testing.contract import Contract
from connector.testing.recording import RECORDER, Recorder, note_requirement
from connector.testing.report import badge_lines, report_of
from connector.testing.requirement import requirement_of

#: Which option names the backend of the zero-code way, by the kind of contract.
_OPTIONS = {
    "adapter": "connector_adapter",
    "mapper": "connector_mapper",
    "store": "connector_store",
    "registry": "connector_registry",
    "inbound": "connector_inbound",
}
_KIT = "connector.testing.kit"


def named_backend(config: pytest.Config, option: str) -> AbstractContextManager[Any]:
    """Make the backend that an option names as `module:attribute`; a class or function is called without arguments.

    Raises UsageError where the option is missing or names nothing that can be used. Imports the author's module.
    """
    flag = f"--{option.replace('_', '-')}"
    named = config.getoption(option)
    if not named:
        raise pytest.UsageError(f"give {flag}=MODULE:BACKEND, or override the contract's fixture (docs/authors.md)")
    module, _, attribute = str(named).partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute or "backend")
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"{flag}={named}: {error}") from error
    made = found() if callable(found) else found
    if not isinstance(made, AbstractContextManager):
        raise pytest.UsageError(f"{flag}={named} makes {type(made).__name__}, which is no backend of the kit")
    return made


def prepare(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note each test's requirement, leave out what no option asks for, put the meta-tests last.

    Raises UsageError where the kit's own module is run without saying on what.
    """
    contracts = [item for item in items if _contract_of(item) is not None]
    if not contracts:
        return
    if RECORDER not in config.stash:
        config.stash[RECORDER] = recorder = Recorder()
        config.pluginmanager.register(recorder, "connector-recorder")
    unasked = [item for item in contracts if _unasked(config, item)]
    if unasked:
        if len(unasked) == len(items):
            raise pytest.UsageError(
                "give --connector-adapter=MODULE:BACKEND, "
                "or --connector-inbound, --connector-mapper, --connector-store or --connector-registry likewise"
            )
        config.hook.pytest_deselected(items=unasked)
        items[:] = [item for item in items if item not in unasked]
    for item in contracts:
        declared = requirement_of(getattr(item, "function", None))
        if declared is not None:
            note_requirement(item, declared)
    items.sort(key=_is_meta_test)  # stable: nothing else moves


def conclude(config: pytest.Config, write_line: Callable[[str], object]) -> None:
    """Print one line a subject and write the report, if one is wanted."""
    recorder = config.stash.get(RECORDER, None)
    if recorder is None or not recorder.results:
        return
    report = report_of(recorder.results)
    for line in badge_lines(report):
        write_line(line)
    path = config.getoption("connector_report")
    if path:
        Path(path).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
        write_line(f"report: {path}")


def _contract_of(item: pytest.Item) -> type[Contract] | None:
    cls = getattr(item, "cls", None)
    return cls if isinstance(cls, type) and issubclass(cls, Contract) else None


def _unasked(config: pytest.Config, item: pytest.Item) -> bool:
    contract = _contract_of(item)
    return contract is not None and contract.__module__ == _KIT and not config.getoption(_OPTIONS[contract.kind])


def _is_meta_test(item: pytest.Item) -> bool:
    declared = requirement_of(getattr(item, "function", None))
    return declared is not None and declared.id.startswith("KIT-")
