"""The user registry in SQL tables (FLOW-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn, TypeVar, final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimedOut

from connector.errors import Reason, RegistryUnavailable, SecurityError
from connector.spi import PasswordHasher, ScramHasher, ScramVerifier, Secret
from connector_sqlregistry.settings import SqlRegistrySettings
from connector_sqlregistry.tables import LONGEST_NAME, UserTables

DATABASE_AWAY = Reason(
    "CF-SQLR-010",
    "the database with the users of realm {realm!r} does not answer: {why}.",
    "It says nothing about the user and is not kept: try again once the database answers.",
)
DATABASE_REFUSES = Reason(
    "CF-SQLR-011",
    "the database with the users of realm {realm!r} can't be asked: {why}.",
    "See that the tables are there (`connector users add` makes them) and that its user may read, or change, them.",
)
USER_EXISTS = Reason("CF-SQLR-012", "there is a user {user!r} already.", "Use `connector users passwd` or `groups`.")
USER_MISSING = Reason("CF-SQLR-013", "there is no user {user!r}.", "See `connector users list`.")
NAME_UNFIT = Reason(
    "CF-SQLR-014",
    "{name!r} can't be the name of a user or group.",
    "Use a name without control characters and without blanks at its ends, of at most {longest} characters.",
)

_T = TypeVar("_T")
# Of these another attempt may come to another end without anybody changing a setting.
_TEMPORARY: Final = (OperationalError, InterfaceError, PoolTimedOut)


class DatabaseUnavailable(RegistryUnavailable):
    """A database that could not be asked. Never a "no" about a user, and never kept as one."""

    @property
    def retryable(self) -> bool:
        """Whether trying again later may help."""
        return self.reason is DATABASE_AWAY


@final
class SqlUserRegistry:
    """Implements :class:`connector.spi.WritableUserRegistry` and `ScramVerifiers` on three tables, or four.

    Args:
        realm: The realm's name.
        settings: Where they are.
        passwords: Hashes and verifies; makes the verifiers where the settings want them.

    Constructing connects to nothing. Each method blocks for the database, for at most the configured time-out of a
    connection and of a statement, and raises DatabaseUnavailable (CF-SQLR-010, retryable, or 011). Nothing is kept of
    an answer. Safe to use from any thread and beside other processes; each change is one transaction.
    """

    def __init__(self, realm: str, settings: SqlRegistrySettings, passwords: PasswordHasher) -> None:
        self._realm = realm
        self._engine = settings.engine
        self._scram = passwords if settings.scram and isinstance(passwords, ScramHasher) else None
        self._tables = UserTables(settings.tables, scram=self._scram is not None)
        self._passwords = passwords

    @property
    def realm(self) -> str:
        """The realm's name."""
        return self._realm

    def check_password(self, user: str, password: Secret) -> bool:
        """Whether user and password fit. Blocks for 50 to 400 ms of hashing as well, also for an unknown user."""
        stored = self._read(lambda c: self._tables.password_of(c, user)) if _is_fit(user) else None
        return self._passwords.verify(password, stored)

    def user_exists(self, user: str) -> bool:
        """Whether the realm knows the user, in this spelling."""
        return _is_fit(user) and self._read(lambda c: self._tables.exists(c, user))

    def group_exists(self, group: str) -> bool:
        """Whether the realm knows the group, in this spelling: it has a row of its own, or a user belongs to it."""
        return _is_fit(group) and self._read(lambda c: self._tables.group_exists(c, group))

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of a user; empty for an unknown one."""
        return self._read(lambda c: self._tables.groups_of(c, user)) if _is_fit(user) else frozenset()

    def unique_name(self, user: str) -> str:
        """The id that the user got when it was added. Raises SecurityError for an unknown one (CF-SQLR-013)."""
        found = self._read(lambda c: self._tables.unique_id_of(c, user)) if _is_fit(user) else None
        if found is None:
            raise SecurityError(USER_MISSING, user=user)
        return found

    def users(self) -> tuple[str, ...]:
        """All users, sorted."""
        return self._read(self._tables.users)

    def groups(self) -> tuple[str, ...]:
        """All groups, sorted."""
        return self._read(self._tables.groups)

    def scram_offered(self) -> bool:
        """Whether every user has a verifier, and the realm wants them."""
        verifiers = self._tables.verifiers
        return verifiers is not None and self._read(
            lambda c: verifiers.exists(c) and not verifiers.lacking(c, 1) and verifiers.of(c, "")[1] is not None
        )

    def scram_verifier(self, user: str) -> ScramVerifier | None:
        """The verifier of a user, or for whoever has none one that nothing fits; None where SCRAM is not offered."""
        scram, verifiers = self._scram, self._tables.verifiers
        if scram is None or verifiers is None:
            return None
        asked = user if _is_fit(user) else ""  # of nobody
        own, first = self._read(lambda c: verifiers.of(c, asked) if verifiers.exists(c) else (None, None))
        found, alike = (None if each is None else scram.read_scram(each) for each in (own, first))
        return found or (None if alike is None else scram.scram_of_nobody(user, alike))

    def without_verifier(self) -> tuple[str, ...]:
        """The users who have none although the realm wants them, sorted."""
        verifiers = self._tables.verifiers
        return () if verifiers is None else self._read(verifiers.lacking)

    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        """Add a user; makes the tables where they are missing. Blocks for hashing too.

        Raises:
            SecurityError: The user exists (CF-SQLR-012), a name is unfit (014), the password is empty.
        """
        members = [_fit(group) for group in groups]
        hashed, verifier = self._passwords.hash(password), self._verifier(password)
        self._asked(lambda: self._tables.create(self._engine))
        try:
            self._change(lambda c: self._tables.add(c, _fit(user), hashed, members, verifier))
        except _Conflict:
            raise SecurityError(USER_EXISTS, user=user) from None

    def remove_user(self, user: str) -> bool:
        """Remove a user; False if there was none."""
        return _is_fit(user) and self._change(lambda c: self._tables.remove(c, user))

    def set_password(self, user: str, password: Secret) -> None:
        """Replace a user's password. Blocks for hashing too. Raises SecurityError as `add_user`, or CF-SQLR-013."""
        hashed, verifier = self._passwords.hash(password), self._verifier(password)
        if verifier is not None:  # the table of verifiers may be younger than the others
            self._asked(lambda: self._tables.create(self._engine))
        if not (_is_fit(user) and self._change(lambda c: self._tables.set_password(c, user, hashed, verifier))):
            raise SecurityError(USER_MISSING, user=user)

    def set_groups(self, user: str, groups: Iterable[str]) -> None:
        """Replace a user's groups. Raises SecurityError (CF-SQLR-013, 014)."""
        members = [_fit(group) for group in groups]
        try:
            known = _is_fit(user) and self._change(lambda c: self._tables.set_groups(c, user, members))
        except _Conflict:  # removed by somebody else at this moment
            known = False
        if not known:
            raise SecurityError(USER_MISSING, user=user)

    def close(self) -> None:
        """Let go of kept connections."""
        self._engine.dispose()

    def _verifier(self, password: Secret) -> str | None:
        return None if self._scram is None else self._scram.scram_verifier(password)

    def _read(self, ask: Callable[[Connection], _T]) -> _T:
        def work() -> _T:
            with self._engine.connect() as connection:
                return ask(connection)

        return self._asked(work)

    def _change(self, change: Callable[[Connection], _T]) -> _T:
        def work() -> _T:
            with self._engine.begin() as connection:
                return change(connection)

        return self._asked(work)

    def _asked(self, work: Callable[[], _T]) -> _T:
        """Do something with the database; what it raises becomes ours.

        The error is raised outside of the handler: in the frames of a driver's own error stands the password.
        """
        raised: Exception
        try:
            return work()
        except IntegrityError:
            raised = _Conflict()
        except SQLAlchemyError as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            first = next(iter(str(cause).splitlines()), "")
            why = f"{type(cause).__name__}: {first}"[:300]
            reason = DATABASE_AWAY if isinstance(error, _TEMPORARY) else DATABASE_REFUSES
            raised = DatabaseUnavailable(reason, realm=self._realm, why=why)
        raise raised

    def __repr__(self) -> str:
        return f"<SqlUserRegistry {self._realm} in {self._tables.prefix}_users>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a SqlUserRegistry can't be pickled or copied: its engine holds a password")


class _Conflict(Exception):
    """A row that is there already."""


def _is_fit(name: str) -> bool:
    """Whether a name can be in the tables at all; whatever else is asked for is nobody, without asking."""
    return bool(name) and name.isprintable() and name == name.strip() and len(name) <= LONGEST_NAME


def _fit(name: str) -> str:
    if not _is_fit(name):
        raise SecurityError(NAME_UNFIT, name=name[:300], longest=LONGEST_NAME)
    return name
