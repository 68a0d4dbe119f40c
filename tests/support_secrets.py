"""The marker password and a scan for it."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

#: A password that must never appear in a log, output, repr, traceback or pickle.
MARKER = "Marker-Geheimnis-7f3a9c"


def shows_marker(value: Any) -> list[str]:
    """The ways in which an object shows the marker; empty when it keeps it."""
    shown = [name for name, render in (("repr", repr), ("str", str), ("format", format)) if MARKER in render(value)]
    try:
        if MARKER.encode() in pickle.dumps(value):
            shown.append("pickle")
    except (TypeError, AttributeError, pickle.PicklingError):
        pass  # what can't be pickled can't leak by it
    if isinstance(value, BaseException) and MARKER in "".join(traceback.format_exception(value)):
        shown.append("traceback")
    return shown
