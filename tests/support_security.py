"""Fakes for the security room: scripted login modules, stores and clocks that tests drive."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

from connector.security.login_chain import ChainEntry, LoginConfiguration
from connector.security.login_outcome import ModuleResult
from connector.spi import (
    AuthenticationData,
    Callback,
    CallbackHandler,
    ControlFlag,
    Dependency,
    LoginFailed,
    ProgressListener,
    Secret,
    Subject,
    UserPrincipal,
)


def variables_showing(text: str, error: BaseException) -> list[str]:
    """Where an error's frames hold a text: our own modules' and drivers', for whoever prints tracebacks with variables.

    The test's own frames and pytest's are left out.
    """
    found: list[str] = []
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is None:
            continue
        chain += [one.__cause__, one.__context__]
        for frame, line in traceback.walk_tb(one.__traceback__):
            file = frame.f_code.co_filename
            if "/tests/" not in file and "pytest" not in file:
                held = (name for name, value in frame.f_locals.items() if text in repr(value))
                found += [f"{file}:{line} {name}" for name in held]
    return found


RESULTS = {"P": ModuleResult.SUCCESS, "F": ModuleResult.FAILURE, "I": ModuleResult.IGNORED}


class NoCallbacks:
    """A callback handler that nobody should need."""

    def handle(self, callbacks: Sequence[Callback]) -> None:
        raise AssertionError(f"unexpected callbacks: {callbacks}")


class ScriptedModule:
    """Answers as the script says (P, F, I for login and commit) and notes what it was asked."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.CALLER})

    def __init__(
        self, name: str = "scripted", login: str = "P", commit: str = "P", asked: list[str] | None = None
    ) -> None:
        self.name = name
        self._script = {"login": login, "commit": commit}
        self.asked = asked if asked is not None else []
        self.subject: Subject | None = None
        self.shared: MutableMapping[str, Any] = {}
        self.options: Mapping[str, Any] = {}

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self.subject, self.shared, self.options = subject, shared_state, options
        self.asked.append(f"{self.name}.initialize")

    def login(self) -> bool:
        return self._answer("login")

    def commit(self) -> bool:
        answer = self._answer("commit")
        if answer and self.subject is not None:
            self.subject.add_principal(UserPrincipal(self.name, "eis"))
        return answer

    def abort(self) -> bool:
        self.asked.append(f"{self.name}.abort")
        return True

    def logout(self) -> bool:
        return True

    def _answer(self, phase: str) -> bool:
        self.asked.append(f"{self.name}.{phase}")
        if self._script[phase] == "F":
            raise LoginFailed(f"{self.name} refused to {phase}")
        return self._script[phase] == "P"


def entry(module: str, flag: str, make: Callable[[], Any], options: Mapping[str, Any] | None = None) -> ChainEntry:
    """A chain entry with the flag by its name."""
    return ChainEntry(module, make, ControlFlag(flag), options or {})


def scripted(flags: Sequence[str], logins: str, commits: str, asked: list[str]) -> LoginConfiguration:
    """A configuration of scripted modules m0, m1, … that note what they are asked in one list."""

    def maker(position: int) -> Callable[[], ScriptedModule]:
        return lambda: ScriptedModule(f"m{position}", logins[position], commits[position], asked)

    return LoginConfiguration(
        "scripted", tuple(entry(f"m{position}", flag, maker(position)) for position, flag in enumerate(flags))
    )


class FakeStore:
    """A store whose content a test sets; `broken` is raised instead of answering."""

    read_only = True

    def __init__(self, *entries: AuthenticationData) -> None:
        self.content = {entry.alias: entry for entry in entries}
        self.broken: Exception | None = None

    def load(self) -> Mapping[str, AuthenticationData]:
        if self.broken is not None:
            raise self.broken
        return dict(self.content)

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        raise NotImplementedError

    def remove(self, alias: str) -> bool:
        raise NotImplementedError

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        raise NotImplementedError


class FixedClock:
    """Time that stands still until a test moves it."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class Killed(BaseException):
    """The process died here. No Exception: nothing in the code under test may handle it."""


class KillingOs:
    """The `os` module, which kills the process at one of its calls that change something; of a write half is done.

    Args:
        at: The number of the call to die at, from 0; None to count only.
    """

    _CHANGES = frozenset({"open", "write", "fsync", "close"})

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self._CHANGES:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if number == self.at:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])
                if name == "close":
                    real(*args)  # a dead process holds nothing open, and so no lock
                raise Killed(f"at {name}")
            if self.at is not None and number > self.at and name != "close":
                raise AssertionError(f"{name} after the process was killed")
            return real(*args, **kwargs)

        return call
