"""Looking for a password where none may be: renderings, pickles, errors with their frames, log records (AUTHD-4)."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, final

from connector.spi import Secret

_LEAST_LENGTH = 8


def check_password(secret: Secret) -> None:
    """Refuse a password that can't be told from other text: what is found of it would prove nothing.

    Raises ValueError.
    """
    if len(secret.reveal()) < _LEAST_LENGTH:
        raise ValueError(f"the backend's passwords must have {_LEAST_LENGTH} characters or more, to be looked for")


def disclosures(value: object, secret: Secret) -> list[str]:
    """The ways in which an object shows a password; empty when it keeps it. An error is looked at with its causes."""
    password = secret.reveal()
    shown = [name for name, render in (("repr", repr), ("str", str), ("format", format)) if password in render(value)]
    try:
        if password.encode() in pickle.dumps(value):
            shown.append("pickle")
    except Exception:  # noqa: BLE001, S110 - what can't be pickled can't leak by it, whatever it raises to say so
        pass
    if isinstance(value, BaseException):
        if password in "".join(traceback.format_exception(value)):
            shown.append("traceback")
        shown += [f"a variable of {frame}" for frame in _frames_with(value, password)]
    return shown


def _frames_with(error: BaseException, password: str) -> Iterator[str]:
    """The frames of an error and its causes whose variables show the password, as error reporters print them."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        for frame in _frames(each.__traceback__):
            if frame.f_globals.get("__name__", "").startswith("connector.testing"):
                continue  # the kit itself knows the password
            if any(password in _rendered(value) for value in frame.f_locals.values()):
                yield f"{frame.f_code.co_qualname} ({frame.f_globals.get('__name__')})"


def _frames(trace: TracebackType | None) -> Iterator[Any]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _rendered(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a half-made object may not know how to show itself
        return ""


@final
class _LogWatch(logging.Handler):
    """Remembers which loggers showed the password, rendered with the traceback as any handler would."""

    def __init__(self, password: str) -> None:
        super().__init__(level=logging.NOTSET)
        self._password = password
        # Mutable, under the handler's own lock: who showed it.
        self.loggers: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if self._password in self.format(record):
            self.loggers.append(record.name)


@contextmanager
def watched_logs(secret: Secret) -> Iterator[list[str]]:
    """Listen to every logger at its most talkative; gives the names of those that showed the password, once it ends."""
    watch, root = _LogWatch(secret.reveal()), logging.getLogger()
    level = root.level
    root.addHandler(watch)
    root.setLevel(logging.DEBUG)
    try:
        yield watch.loggers
    finally:
        root.removeHandler(watch)
        root.setLevel(level)
