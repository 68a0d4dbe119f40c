"""Audit logs: who did what to which resource, how it ended and why (OPS-2)."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from connector.spi import AuditEvent, Clock, Secret, SystemClock

_log = logging.getLogger("connector.security")


@final
class FileAuditLog:
    """An audit log of JSON lines in a file of mode 0600, one line an event, appended by one write.

    The file is opened for each event: it may be rotated or removed at any time, and nothing has to be closed.

    Args:
        path: The file; made when missing, its folder as well.
        clock: Where time stamps come from.
        on_event: Called after each event, on the thread that records it; for plugins. What it raises is logged.

    Safe to use from any thread.
    """

    def __init__(
        self, path: Path, clock: Clock | None = None, on_event: Callable[[AuditEvent], None] | None = None
    ) -> None:
        self._path = path
        self._clock = clock or SystemClock()
        self._on_event = on_event

    def record(self, event: AuditEvent) -> None:
        """Write one event, stamped with the time. Blocks for one write; never raises.

        A line that can't be written (disk full, folder gone) goes to the logger `connector.security` as an error.
        """
        event = replace(event, at=self._clock.time())
        try:
            self._append(audit_line(event))
        except OSError as error:
            _log.error("the audit log %s can't be written (%s): %s", self._path, error.strerror, audit_line(event))
        if self._on_event is not None:
            _tell(self._on_event, event)

    def close(self) -> None:
        """Bring what was written to the disk. Blocks for it; never raises. Later events are still written."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _append(self, line: str) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode() + b"\n")
        finally:
            os.close(descriptor)

    def __repr__(self) -> str:
        return f"<FileAuditLog {self._path}>"


@final
class MemoryAuditLog:
    """An audit log that only remembers, for tests.

    Args:
        clock: Where time stamps come from.

    Safe to use from any thread.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        # Mutable, under the lock: the events so far.
        self._events: tuple[AuditEvent, ...] = ()

    @property
    def events(self) -> tuple[AuditEvent, ...]:
        """All events so far, in order."""
        return self._events

    def record(self, event: AuditEvent) -> None:
        """Remember one event, stamped with the time. Never raises."""
        with self._lock:
            self._events = (*self._events, replace(event, at=self._clock.time()))


def audit_line(event: AuditEvent) -> str:
    """The event as one line of JSON without its end of line. Pure; redacts by type."""
    return json.dumps(
        {
            "at": event.at,
            "action": event.action,
            "who": event.who,
            "resource": event.resource,
            "outcome": event.outcome.value,
            "reason": event.reason,
            "details": {str(name): _plain(value) for name, value in event.details.items()},
        },
        ensure_ascii=True,
    )


def _plain(value: Any) -> Any:
    """A detail as plain data; of an object that is none only the type is told: its text might hold a secret."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_plain(item)) for item in value)
    return f"<{type(value).__name__}>"


def _tell(on_event: Callable[[AuditEvent], None], event: AuditEvent) -> None:
    try:
        on_event(event)
    except Exception as error:  # noqa: BLE001 - a plugin must not keep the container from its work
        _log.error("a listener to audit events raised %s", type(error).__name__)
