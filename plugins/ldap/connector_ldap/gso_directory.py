"""Callers' credentials in a directory, kept for a while; one object for all logins with the same options."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, NoReturn, final

from connector.errors import Reason
from connector.spi import Clock, PasswordCredential, Secret
from connector_ldap.directory import Directory, ServiceAccount
from connector_ldap.failures import DirectoryError
from connector_ldap.gso_settings import GsoSettings
from connector_ldap.kept import KEEPERS
from connector_ldap.window_cache import WindowCache

log = logging.getLogger("connector.ldap")

ENTRY_UNUSABLE = Reason(
    "CF-LDAP-030",
    "the entry {dn!r} is no credential of {caller!r} for {target!r}: {why}.",
    "Correct it in the directory, or let the service account read it.",
)

#: Login configurations, and service accounts of one, that are kept in mind.
_MOST: Final = 32


@dataclass(frozen=True, slots=True)
class Found:
    """A user in an external system and its password, from one entry.

    Attributes:
        user: The user there.
        password: The user's password.
    """

    user: str
    password: Secret


@dataclass(frozen=True, slots=True)
class _Sought:
    """What a credential is kept under: who read it, for whom, for which system."""

    account: Hashable
    who: str
    target: str


@final
class GsoDirectory:
    """One login configuration's directory. Safe to use from any thread.

    Args:
        settings: Where it is.
        clock: For ages.

    Credentials are kept apart for each service account: what one may read another may not.
    """

    def __init__(self, settings: GsoSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._kept: WindowCache[Found] = WindowCache(settings.cache_time, clock)
        self._lock = Lock()
        # Mutable, under the lock: the directory as each service account sees it, the least recently used first.
        self._seen_by: OrderedDict[Hashable, Directory] = OrderedDict()
        KEEPERS.add(self)

    def credential(self, account: ServiceAccount, caller: str, target: str) -> Found | None:
        """The caller's credential for a system; None where the directory says that there is none.

        Blocks for the directory where nothing is kept. Raises DirectoryError (CF-LDAP-010 to 016, 030), ConfigError,
        PluginError; neither that nor None is kept.
        """
        # A changed password of the account is another account: what was read before it changed is asked for again.
        key = PasswordCredential(account.dn, account.password).key()
        sought = _Sought(key, f"{caller}@{self._settings.realm}", target)
        return self._kept.get(sought, lambda: self._read(self._of(key, account), caller, target))

    def revision(self) -> Hashable:
        """Changes whenever what is kept may have become worthless. Does not block."""
        return self._kept.revision()

    def forget(self) -> None:
        """Keep nothing of what was found before now. Does not block."""
        self._kept.forget()

    def forget_caller(self, who: str) -> None:
        """Keep nothing of one caller, told as `name@realm`. Does not block."""
        self._kept.forget_those(lambda sought: isinstance(sought, _Sought) and sought.who == who)

    def close(self) -> None:
        """Let go of what is kept and of connections."""
        self.forget()
        with self._lock:
            directories, self._seen_by = list(self._seen_by.values()), OrderedDict()
        for directory in directories:
            directory.close()

    def _of(self, key: Hashable, account: ServiceAccount) -> Directory:
        old: Directory | None = None
        with self._lock:
            directory = self._seen_by.get(key)
            if directory is None:
                directory = self._seen_by[key] = Directory(self._settings.directory, account, self._clock)
                if len(self._seen_by) > _MOST:
                    _, old = self._seen_by.popitem(last=False)
            self._seen_by.move_to_end(key)
        if old is not None:
            old.close()
        return directory

    def _read(self, directory: Directory, caller: str, target: str) -> Found | None:
        settings = self._settings
        entry = directory.find(settings.query(caller, target))
        # A directory that takes `Alice` for `alice` would give one caller's password to another one.
        if entry is None or caller not in entry.texts(settings.caller) or target not in entry.texts(settings.target):
            return None
        users, passwords = entry.texts(settings.user), entry.texts(settings.password)
        why = ""
        if len(users) != 1 or not users[0]:
            why = f"it has not exactly one {settings.user}"
        elif len(passwords) != 1:
            why = f"it has not exactly one {settings.password} that may be read"
        elif not passwords[0]:
            why = f"its {settings.password} is empty"
        if why:
            raise DirectoryError(ENTRY_UNUSABLE, dn=entry.dn, caller=caller, target=target, why=why)
        return Found(users[0], Secret(passwords[0]))

    def __repr__(self) -> str:
        return f"<GsoDirectory below {self._settings.base}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a GsoDirectory can't be pickled or copied: it knows passwords")


@final
class GsoDirectories:
    """The directories of this process, one for each set of options: a login module is made anew for each login, and
    what it keeps must outlive it. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        # Mutable, under the lock: by settings, the least recently used first.
        self._known: OrderedDict[GsoSettings, GsoDirectory] = OrderedDict()

    def of(self, settings: GsoSettings) -> GsoDirectory:
        """The one with these settings. Does not block."""
        old: GsoDirectory | None = None
        with self._lock:
            directory = self._known.get(settings)
            made = directory is None
            if directory is None:
                directory = self._known[settings] = GsoDirectory(settings)
                if len(self._known) > _MOST:
                    _, old = self._known.popitem(last=False)
            self._known.move_to_end(settings)
        if made and settings.directory.plaintext:
            log.warning("global sign-on reads passwords in plain text (base %s): allow_plaintext is on", settings.base)
        if old is not None:
            old.close()
        return directory

    def forget(self) -> None:
        """Keep no credential that was found before now. Does not block."""
        with self._lock:
            known = tuple(self._known.values())
        for directory in known:
            directory.forget()

    def close(self) -> None:
        """Let go of everything."""
        with self._lock:
            known, self._known = tuple(self._known.values()), OrderedDict()
        for directory in known:
            directory.close()


#: This process's directories.
DIRECTORIES = GsoDirectories()
