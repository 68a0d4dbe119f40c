"""What became of an edit of the configuration, in words (CONF-8). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def edit_text(report: Mapping[str, Any]) -> str:
    """The report of an edit or of a reload, for people: what was changed, where, and when it is in force."""
    return "\n".join(_lines(report))


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    for each in report["keys"]:
        old, new = _value(each["old"]), _value(each["new"])
        yield f"{each['key']}: {new}" if old == new else f"{each['key']}: {old} -> {new}"
        if each["overridden_by"] is not None:
            yield f"  without effect while {each['overridden_by']} is set, which wins over the files"
    if not report["changed"]:
        yield "Nothing to change."
        return
    effect = report["effect"]
    where = f" in {report['file']}" if report["keys"] else ""
    yield {
        "live": f"Changed{where}: live.",
        "needs a restart": f"Changed{where}: needs a restart.",
        "with the next start": f"Changed{where}; no container runs: in force with its next start.",
        "none": f"Changed{where}, to no effect.",
    }.get(effect, f"Changed{where}: {effect}.")
    if report["restart"]:
        for path in report["live"]:
            yield f"  live: {path}"
        for path in report["restart"]:
            yield f"  needs a restart: {path}"


def _value(value: Any) -> str:
    return "(not set)" if value is None else json.dumps(value, ensure_ascii=False)
