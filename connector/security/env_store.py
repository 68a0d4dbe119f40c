"""Authentication data from environment variables, for deployments that inject secrets (AUTHD-2).

``CONNECTOR_AUTH_DATA__LEDGER_BATCH__USER``, ``…__PASSWORD`` and optionally ``…__DESCRIPTION`` make the entry
``ledger-batch``; with ``_FILE`` at the end of its name a variable names a file that holds the value.  Variables have no
small letters and no hyphens, so the aliases of this store have no capitals and no underscores: what stands between the
double underscores is turned to lower case, and a single underscore to a hyphen.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Never, NoReturn, final

from connector.errors import AuthDataError, Reason
from connector.security.durable_file import file_stamp
from connector.spi import AuthenticationData, ProgressListener, Secret

STORE_READ_ONLY = Reason(
    "CF-AUTHD-030",
    "authentication data come from the environment and can't be changed from here.",
    "Change them where the container is started, or use the store `file`.",
)
FIELD_UNKNOWN = Reason(
    "CF-AUTHD-031", "the environment variable {name} names no field of an entry.", "Fields are {allowed}."
)
ENTRY_INCOMPLETE = Reason(
    "CF-AUTHD-032",
    "the alias {alias!r} in the environment ({prefix}__{variable}__…) is no whole entry.",
    "Set USER and PASSWORD, and DESCRIPTION if you like, each either so or with _FILE at its end.",
)
VALUE_FILE_UNREADABLE = Reason(
    "CF-AUTHD-033", "the file in {name} can't be read: {why}.", "Correct the path or give this process access."
)
VALUE_EMPTY = Reason(
    "CF-AUTHD-580",
    "{name} gives the alias {alias!r} an empty {field}.",
    "Set it; a file that is mounted may not have been filled yet.",
)

_FROM_FILE = "_FILE"
_REQUIRED = ("USER", "PASSWORD")
_FIELDS = tuple(name for field in (*_REQUIRED, "DESCRIPTION") for name in (field, f"{field}{_FROM_FILE}"))


@final
class EnvironmentStore:
    """Implements :class:`connector.spi.AuthenticationDataStore`, read-only.

    Versions are always 1, since the environment has no memory; `AuthDataService` raises them when a file changes.

    Args:
        prefix: What the variables' names begin with.
        environment: The environment; the process's own where None.

    Safe to use from any thread.
    """

    def __init__(self, prefix: str = "CONNECTOR_AUTH_DATA", environment: Mapping[str, str] | None = None) -> None:
        self._prefix = prefix
        self._environment = os.environ if environment is None else environment

    @property
    def read_only(self) -> bool:
        """Always True."""
        return True

    def load(self) -> Mapping[str, AuthenticationData]:
        """All entries by alias. Blocks for the files.

        Raises:
            AuthDataError: An unknown field (CF-AUTHD-031), an incomplete or ambiguous entry (032), a file that can't
                be read (033), or an empty user or password (580): some systems take whoever has none for anybody.
        """
        # Names only: an error holds on to the variables of its frames, so no value is kept in one.
        found: dict[str, dict[str, str]] = {}
        for name in sorted(self._environment):
            if name.startswith(f"{self._prefix}__"):
                variable, _, field = name.removeprefix(f"{self._prefix}__").rpartition("__")
                if field not in _FIELDS or not variable:
                    raise AuthDataError(FIELD_UNKNOWN, name=name, allowed=", ".join(_FIELDS))
                found.setdefault(variable, {})[field] = name
        entries = (self._entry(variable, names) for variable, names in found.items())
        return MappingProxyType({entry.alias: entry for entry in entries})

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        """Refused (CF-AUTHD-030)."""
        self._refuse()

    def remove(self, alias: str) -> bool:
        """Refused (CF-AUTHD-030)."""
        self._refuse()

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        """Refused (CF-AUTHD-030)."""
        self._refuse()

    def stamp(self) -> Hashable:
        """Changes when a file does that a variable names, as an orchestrator does with mounted secrets.

        Implements :class:`connector.spi.StampedStore`. Blocks for the disk. Values of variables are not compared: the
        environment of a process does not change from outside.
        """
        names = sorted(name for name in self._environment if name.startswith(f"{self._prefix}__"))
        files = [Path(self._environment[name]) for name in names if name.endswith("_FILE")]
        return (tuple(names), tuple(file_stamp(path) for path in files))

    def _entry(self, variable: str, names: Mapping[str, str]) -> AuthenticationData:
        """One entry; `names` has the environment variable of each field."""
        alias = variable.lower().replace("_", "-")
        given = {field: names.keys() & {field, f"{field}{_FROM_FILE}"} for field in (*_REQUIRED, "DESCRIPTION")}
        if any(not given[field] for field in _REQUIRED) or any(len(ways) > 1 for ways in given.values()):
            raise AuthDataError(ENTRY_INCOMPLETE, alias=alias, prefix=self._prefix, variable=variable)
        user, password, description = (self._value(names, field) for field in given)
        for field, value in zip(_REQUIRED, (user, password), strict=True):
            if not value.reveal():
                name = names[min(given[field])]
                raise AuthDataError(VALUE_EMPTY, name=name, alias=alias, field=field.lower())
        return AuthenticationData(alias, user.reveal(), password, description.reveal())

    def _value(self, names: Mapping[str, str], field: str) -> Secret:
        """A field's value; empty where it is not given. As a secret, which no frame of an error shows."""
        if field in names:
            return Secret(self._environment[names[field]])
        name = names.get(f"{field}{_FROM_FILE}")
        return Secret("") if name is None else _from_file(name, Path(self._environment[name]))

    def _refuse(self) -> Never:
        raise AuthDataError(STORE_READ_ONLY)

    def __repr__(self) -> str:
        return f"<EnvironmentStore {self._prefix}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("an EnvironmentStore can't be pickled or copied: its environment holds passwords")


def env_store(settings: Mapping[str, Any]) -> EnvironmentStore:
    """The provider of the store `env`: makes it from the `[auth_data]` table; `prefix` is optional. Does not block."""
    return EnvironmentStore(str(settings.get("prefix") or "CONNECTOR_AUTH_DATA"))


def _from_file(name: str, path: Path) -> Secret:
    """The file's text without the one end of line that editors add; undecodable bytes are kept as they are."""
    try:
        text = path.read_text("utf-8", errors="surrogateescape")
    except OSError as error:
        raise AuthDataError(VALUE_FILE_UNREADABLE, name=name, why=error.strerror) from error
    return Secret(text.removesuffix("\n").removesuffix("\r"))
