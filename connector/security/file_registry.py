"""A user registry in one TOML file: `[users.NAME]` with a password hash and groups, optionally `[groups.NAME]`.

The file may be edited by hand or by `connector users` while containers run: it is read again when it has changed. An
edit that can't be understood changes nothing and is logged; the users known last stay in force.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, final

import tomlkit
from tomlkit.items import Table

from connector.errors import ConfigError, Reason, SecurityError
from connector.security.durable_file import exclusive, replace_file
from connector.security.passwords import DEFAULT_COST, ScryptCost, hash_password, verify_password
from connector.security.plain_name import is_plain_name
from connector.security.scram import fitting_nothing, scram_verifier_of
from connector.security.users_document import UsersDocument, read_users
from connector.spi import ScramVerifier, Secret

_log = logging.getLogger("connector.security")

USERS_FILE_MISSING = Reason(
    "CF-SEC-030",
    "the users file {path} of the realm {realm!r} does not exist.",
    "Correct `path` in [realms.{realm}], or make it with `connector users add`.",
)
USERS_FILE_UNREADABLE = Reason(
    "CF-SEC-037", "the users file {path} can't be read: {why}.", "Give this process access to it."
)
USERS_FILE_UNWRITABLE = Reason(
    "CF-SEC-038", "the users file {path} can't be written: {why}; nothing was changed.", "Put that right and try again."
)
USER_EXISTS = Reason("CF-SEC-040", "there is a user {user!r} already.", "Use `connector users passwd` or `groups`.")
USER_MISSING = Reason("CF-SEC-041", "there is no user {user!r}.", "See `connector users list`.")
NAME_UNFIT = Reason(
    "CF-SEC-042",
    "{name!r} can't be the name of a user or group.",
    "Use a name without control characters and without blanks at its ends.",
)

_Stamp = tuple[int, int, int]


@final
class FileUserRegistry:
    """Implements :class:`connector.spi.WritableUserRegistry` and `RememberingRegistry` on a TOML file of mode 0600.

    Args:
        realm: The realm's name.
        path: The file; a missing one is an empty registry, and the first `add_user` makes it.
        cost: What new password hashes cost.
        scram: Whether new passwords get a verifier for SCRAM-SHA-256, and users sign on by it once each has one.

    Constructing reads the file. Raises ConfigError where it can't be understood (all mistakes, with file and line) or
    read. Safe to use from any thread, and beside other processes that use the file: changes are atomic and exclude
    each other.
    """

    def __init__(self, realm: str, path: Path, cost: ScryptCost = DEFAULT_COST, *, scram: bool = False) -> None:
        self._realm = realm
        self._scram = scram
        self._path = path
        self._cost = cost
        self._lock = threading.Lock()
        # Mutable, changed by _current under the lock: the file's stamp when it was read last, with what was understood
        # last (one tuple, so that readers need no lock); and why that is not the file as it stands.
        self._failure = ""
        self._read_last: tuple[_Stamp | None, UsersDocument] = self._first_reading()

    @property
    def realm(self) -> str:
        """The realm's name."""
        return self._realm

    @property
    def failure(self) -> str:
        """Why the file as it stands is not in force, but what was understood last; empty while it is. May read it."""
        self._current()
        return self._failure

    def check_password(self, user: str, password: Secret) -> bool:
        """Whether user and password fit. Blocks for 50 to 400 ms of hashing, also for an unknown user."""
        known = self._current().users.get(user)
        return verify_password(password, None if known is None else known.password, self._cost)

    def user_exists(self, user: str) -> bool:
        """Whether the realm knows the user."""
        return user in self._current().users

    def group_exists(self, group: str) -> bool:
        """Whether the realm knows the group: it has a table of its own, or a user belongs to it."""
        return group in self._current().groups

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of a user; empty for an unknown one."""
        known = self._current().users.get(user)
        return frozenset() if known is None else known.groups

    def unique_name(self, user: str) -> str:
        """The name itself: the file has no other."""
        return user

    def users(self) -> tuple[str, ...]:
        """All users, sorted."""
        return tuple(sorted(self._current().users))

    def groups(self) -> tuple[str, ...]:
        """All groups, sorted."""
        return tuple(sorted(self._current().groups))

    def scram_offered(self) -> bool:
        """Whether every user has a verifier, and the realm wants them."""
        users = self._current().users.values()
        return self._scram and bool(users) and all(user.scram is not None for user in users)

    def scram_verifier(self, user: str) -> ScramVerifier | None:
        """The verifier of a user, or for whoever has none one that nothing fits; None where SCRAM is not offered."""
        users = self._current().users
        present = [each.scram for each in users.values() if each.scram is not None]
        if not self._scram or not present:
            return None
        known = users.get(user)
        if known is not None and known.scram is not None:
            return known.scram
        return fitting_nothing(user, min(present, key=lambda each: each.server_key))

    def without_verifier(self) -> tuple[str, ...]:
        """The users who have none although the realm wants them, sorted."""
        users = self._current().users
        return tuple(sorted(name for name, user in users.items() if self._scram and user.scram is None))

    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        """Add a user. Blocks for hashing and disk.

        Raises:
            SecurityError: The user exists (CF-SEC-040), a name is unfit (CF-SEC-042), the password is empty
                (CF-SEC-020), or the file can't be written (CF-SEC-038).
            ConfigError: The file can't be understood just now; it is left alone.
        """
        members = sorted({_fit(group) for group in groups})
        hashed, verifier = hash_password(password, self._cost), self._verifier(password)

        def add(users: Table) -> None:
            if user in users:
                raise SecurityError(USER_EXISTS, user=user)
            entry = tomlkit.table()
            entry["password"] = hashed
            if verifier is not None:
                entry["scram"] = verifier
            entry["groups"] = members
            users[_fit(user)] = entry

        self._change(add)

    def remove_user(self, user: str) -> bool:
        """Remove a user; False if there was none. Blocks for the disk. Raises as `add_user`."""
        removed = False

        def remove(users: Table) -> None:
            nonlocal removed
            removed = users.pop(user, None) is not None

        self._change(remove)
        return removed

    def set_password(self, user: str, password: Secret) -> None:
        """Replace a user's password. Blocks for hashing and disk. Raises as `add_user`; CF-SEC-041 for no such user."""
        hashed, verifier = hash_password(password, self._cost), self._verifier(password)

        def replace(users: Table) -> None:
            entry = _entry(users, user)
            entry.update({"password": hashed})
            entry.pop("scram", None)  # it was of the former password
            if verifier is not None:
                entry["scram"] = verifier

        self._change(replace)

    def set_groups(self, user: str, groups: Iterable[str]) -> None:
        """Replace a user's groups. Blocks for the disk. Raises as `add_user`; CF-SEC-041 for no such user."""
        members = sorted({_fit(group) for group in groups})
        self._change(lambda users: _entry(users, user).update({"groups": members}))

    def forget(self, user: str | None = None) -> None:
        """Nothing to do: the file is read again whenever it has changed, so what is known is never older than it."""

    def _verifier(self, password: Secret) -> str | None:
        return scram_verifier_of(password) if self._scram else None

    def _current(self) -> UsersDocument:
        """What is in force: the file as it is, or as it was understood last."""
        stamp, known = self._read_last
        if _stamp_of(self._path) == stamp:
            return known
        with self._lock:
            stamp, (read, known) = _stamp_of(self._path), self._read_last
            if stamp == read:  # another thread was first
                return known
            try:
                known = self._read()
                self._failure = ""
            except FileNotFoundError:
                self._failure = "it has gone"
                _log.error("the users file %s has gone; the users known last stay in force", self._path)
            except (ConfigError, OSError) as error:
                self._failure = _in_short(error)
                _log.error("the users file %s: %s; the users known last stay in force", self._path, error)
            # The stamp is kept even where the reading failed: a wrong edit is reported once, not at every look-up.
            self._read_last = stamp, known
        return known

    def _first_reading(self) -> tuple[_Stamp | None, UsersDocument]:
        stamp = _stamp_of(self._path)  # before the reading: a change in between shows as a newer stamp
        try:
            return stamp, self._read()
        except FileNotFoundError:
            return None, UsersDocument()
        except OSError as error:
            raise ConfigError(USERS_FILE_UNREADABLE, path=self._path, why=error.strerror) from error

    def _read(self) -> UsersDocument:
        return self._understood(self._path.read_bytes())

    def _understood(self, content: bytes) -> UsersDocument:
        read = read_users(content, str(self._path))
        if isinstance(read, UsersDocument):
            return read
        raise ConfigError.of(read)

    def _change(self, change: Callable[[Table], object]) -> None:
        """Change the file's `users` table: alone, from what stands in the file now, keeping comments and order."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with exclusive(self._path):
                content = self._path.read_bytes() if self._path.exists() else b""
                self._understood(content)  # a file that can't be understood is not written over
                document = tomlkit.parse(content.decode())
                change(document.setdefault("users", tomlkit.table(is_super_table=True)))
                changed = tomlkit.dumps(document).encode()
                if changed != content:
                    replace_file(self._path, changed)
                self._current()  # our own change is what a wrong edit after it falls back on
        except OSError as error:
            raise SecurityError(USERS_FILE_UNWRITABLE, path=self._path, why=error.strerror) from error

    def __repr__(self) -> str:
        return f"<FileUserRegistry {self._realm} in {self._path}>"


def file_registry(realm: str, settings: Mapping[str, Any]) -> FileUserRegistry:
    """The provider of the registry `file`: makes it from the `[realms.NAME]` table (`path`, `scram`). Blocks.

    Raises:
        ConfigError: The file is missing (CF-SEC-030), can't be read (CF-SEC-037) or has mistakes (CF-CONF-001).
    """
    path = Path(settings["path"])
    if not path.exists():
        raise ConfigError(USERS_FILE_MISSING, path=path, realm=realm)
    return FileUserRegistry(realm, path, scram=settings.get("scram") is True)


def _stamp_of(path: Path) -> _Stamp | None:
    """What changes when the file does: time, place and size; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _entry(users: Table, user: str) -> Any:
    if user not in users:
        raise SecurityError(USER_MISSING, user=user)
    return users[user]


def _in_short(error: ConfigError | OSError) -> str:
    """What is wrong, without what to do about it. Pure."""
    if isinstance(error, ConfigError):
        return "; ".join(map(str, error.problems)) or error.text
    return error.strerror or type(error).__name__


def _fit(name: str) -> str:
    if not is_plain_name(name):
        raise SecurityError(NAME_UNFIT, name=name)
    return name
