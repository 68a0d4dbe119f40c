"""The users file as data: TOML text in, users and groups out, or all its mistakes (CONF-1)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from connector.errors import Problem, Reason
from connector.security.passwords import is_password_hash
from connector.security.scram import read_scram_verifier
from connector.spi import ScramVerifier

_POSITION = re.compile(r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column \d+|end of document)\)$", re.DOTALL)

USERS_NOT_TEXT = Reason("CF-SEC-031", "bytes that are not UTF-8", "Save the file as UTF-8.")
USERS_NOT_TOML = Reason("CF-SEC-032", "text that is not TOML: {why}", "Correct the syntax there.")
USERS_KEY_UNKNOWN = Reason("CF-SEC-033", "an unknown key", "Correct or remove it.")
USERS_NO_TABLES = Reason("CF-SEC-034", "something else", "Give each a table of its own.")
USERS_NO_HASH = Reason("CF-SEC-035", "no password hash", "Set the password with `connector users passwd`.")
USERS_NO_VERIFIER = Reason("CF-SEC-460", "no SCRAM verifier", "Set the password with `connector users passwd`.")
USERS_NO_LIST = Reason("CF-SEC-036", "something else", "Write the names as a list of strings.")


@dataclass(frozen=True, slots=True)
class RegisteredUser:
    """One `[users.NAME]` table.

    Attributes:
        password: The password's hash; not shown.
        groups: The groups that the user belongs to.
        scram: The verifier for SCRAM-SHA-256; None without one.
    """

    password: str = field(repr=False)
    groups: frozenset[str]
    scram: ScramVerifier | None = None


@dataclass(frozen=True, slots=True)
class UsersDocument:
    """A users file that was understood. Immutable.

    Attributes:
        users: By name.
        groups: All groups: those with a `[groups.NAME]` table of their own, and those that a user belongs to.
    """

    users: Mapping[str, RegisteredUser] = field(default_factory=lambda: MappingProxyType({}))
    groups: frozenset[str] = frozenset()


def read_users(content: bytes, file: str) -> UsersDocument | tuple[Problem, ...]:
    """Understand a users file, or tell all its mistakes. Pure.

    Args:
        content: What stands in the file.
        file: Its path, for the mistakes.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return (_problem(USERS_NOT_TEXT, file, "(the file)", "UTF-8"),)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return (_broken_toml(str(error), file, text.count("\n") + 1),)
    problems: list[Problem] = []
    _only(table, ("users", "groups"), "", file, problems)
    users = _tables(table, "users", file, problems)
    groups = _tables(table, "groups", file, problems)
    read = {name: _user(name, entry, file, problems) for name, entry in users.items()}
    if problems:
        return tuple(problems)
    known = frozenset(groups).union(*(user.groups for user in read.values()))
    return UsersDocument(MappingProxyType(read), known)


def _tables(table: dict[str, Any], name: str, file: str, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    found = table.get(name, {})
    if isinstance(found, dict) and all(isinstance(entry, dict) for entry in found.values()):
        return found
    problems.append(_problem(USERS_NO_TABLES, file, name, f"tables [{name}.NAME]"))
    return {}


def _user(name: str, entry: dict[str, Any], file: str, problems: list[Problem]) -> RegisteredUser:
    place = f"users.{name}"
    _only(entry, ("password", "groups", "description", "scram"), f"{place}.", file, problems)
    password = entry.get("password")
    if not isinstance(password, str) or not is_password_hash(password):
        # Never what stands there: it may be a password in plain text.
        problems.append(_problem(USERS_NO_HASH, file, f"{place}.password", "a hash (scrypt$…)"))
        password = ""
    groups = entry.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(group, str) and group for group in groups):
        problems.append(_problem(USERS_NO_LIST, file, f"{place}.groups", "a list of group names"))
        groups = []
    scram, said = None, entry.get("scram")
    if said is not None:
        scram = read_scram_verifier(said) if isinstance(said, str) else None
        if scram is None:
            problems.append(_problem(USERS_NO_VERIFIER, file, f"{place}.scram", "a verifier (SCRAM-SHA-256$…)"))
    return RegisteredUser(password, frozenset(groups), scram)


def _only(table: dict[str, Any], allowed: tuple[str, ...], place: str, file: str, problems: list[Problem]) -> None:
    problems.extend(
        _problem(USERS_KEY_UNKNOWN, file, f"{place}{key}", ", ".join(allowed))
        for key in sorted(table.keys() - set(allowed))
    )


def _broken_toml(message: str, file: str, last_line: int) -> Problem:
    """The parser tells the position in its message only (before Python 3.14)."""
    match = _POSITION.match(message)
    why, line = (match["what"], int(match["line"] or last_line)) if match else (message, None)
    return _problem(USERS_NOT_TOML, file, "(the file)", "TOML", line=line, why=why)


def _problem(reason: Reason, file: str, place: str, allowed: str, *, line: int | None = None, why: str = "") -> Problem:
    return Problem(reason.code, file, line, place, reason.text.format(why=why), allowed, reason.action)
