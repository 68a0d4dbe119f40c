"""A user registry in a directory (CONF-4, FLOW-3): who exists, in which groups, and whose password is right."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from typing import Any, NoReturn, final

from connector.errors import Reason
from connector.spi import Clock, Secret
from connector_ldap.directory import Directory
from connector_ldap.entries import Entry, Query, both, can_be_a_name, equals
from connector_ldap.failures import DirectoryError
from connector_ldap.groups import group_names
from connector_ldap.kept import KEEPERS
from connector_ldap.library import library
from connector_ldap.registry_settings import RegistrySettings, read_settings
from connector_ldap.transport import tls_context
from connector_ldap.window_cache import WindowCache

log = logging.getLogger("connector.ldap")

NO_UNIQUE_NAME = Reason(
    "CF-LDAP-020",
    "the realm {realm!r} has no unique name for {user!r} in the attribute {attribute}.",
    "Add the user, or name in `unique_attribute` one that every user has and the service account may read.",
)


@final
class LdapUserRegistry:
    """Implements :class:`connector.spi.UserRegistry` on a directory; read-only.

    A name is known in the directory's own spelling only: a directory takes `Alice` and `alice` for the same, roles and
    external systems don't. Users and groups are kept for `cache_time`, what is not there never is, and neither are
    passwords: each is asked of the directory, as is the user's entry, and a login begins with groups looked up anew.

    Args:
        realm: The realm's name.
        settings: Where it is.
        clock: For ages.

    Constructing connects to nothing: a container starts while its directory is down. Safe to use from any thread. Each
    method blocks for the directory where nothing is kept, at most as `Directory` says, and raises DirectoryError
    (CF-LDAP-010 to 016), which is no "no".
    """

    def __init__(self, realm: str, settings: RegistrySettings, clock: Clock | None = None) -> None:
        self._realm = realm
        self._settings = settings
        self._directory = Directory(settings.directory, settings.account, clock)
        self._entries: WindowCache[Entry] = WindowCache(settings.cache_time, clock)
        self._groups: WindowCache[frozenset[str]] = WindowCache(settings.cache_time, clock)
        KEEPERS.add(self)

    @property
    def realm(self) -> str:
        """The realm's name."""
        return self._realm

    def check_password(self, user: str, password: Secret) -> bool:
        """Whether the directory takes user and password. Never answered from what is kept.

        An unknown user costs a bind as well. An empty password is False without asking: to a directory it would be an
        anonymous bind, which succeeds.
        """
        if not password or not can_be_a_name(user):
            return False
        entry = self._found(user)
        # A login begins anew: with who the user is now, and with the groups of now.
        self._forget_user(user)
        if entry is None:
            nobody = f"cn={secrets.token_hex(8)},{self._settings.base}"
            self._directory.accepts(nobody, Secret(secrets.token_hex(8)))
            return False
        return self._directory.accepts(entry.dn, password)

    def user_exists(self, user: str) -> bool:
        """Whether the directory knows the user, in this spelling."""
        return self._entry(user) is not None

    def group_exists(self, group: str) -> bool:
        """Whether the directory knows the group, in this spelling. Asked each time."""
        if not can_be_a_name(group):
            return False
        groups = self._settings.groups
        found = self._directory.search(groups.query(equals(groups.name, group)))
        return any(group in entry.texts(groups.name) for entry in found)

    def groups_of(self, user: str) -> frozenset[str]:
        """The groups of a user, those that they are in included where `nested_groups` is on; empty for an unknown."""

        def load() -> frozenset[str] | None:
            # Of the entry as it is now: from one that is kept they would be as old as both together.
            entry = self._found(user) if can_be_a_name(user) else None
            return None if entry is None else group_names(self._directory, self._settings.groups, entry)

        return self._groups.get(user, load) or frozenset()

    def unique_name(self, user: str) -> str:
        """What stays the same when the user's name changes. Raises DirectoryError for an unknown user (CF-LDAP-020)."""
        attribute = self._settings.unique
        entry = self._entry(user)
        values = () if entry is None else entry.values.get(attribute.lower(), ())
        if not values or entry is None:
            raise DirectoryError(NO_UNIQUE_NAME, realm=self._realm, user=user, attribute=attribute)
        texts = entry.texts(attribute)
        return texts[0] if texts and texts[0].isprintable() else values[0].hex()

    def users(self) -> tuple[str, ...]:
        """All users, sorted; fetched by pages each time."""
        settings = self._settings
        found = self._directory.search(Query(settings.base, settings.filter, (settings.user,), many=True))
        return tuple(sorted({name for entry in found for name in entry.texts(settings.user)}))

    def groups(self) -> tuple[str, ...]:
        """All groups, sorted; fetched by pages each time."""
        groups = self._settings.groups
        found = self._directory.search(groups.query())
        return tuple(sorted({name for entry in found for name in entry.texts(groups.name)}))

    def forget(self, user: str | None = None) -> None:
        """Keep nothing of what was found or asked for before now, or nothing of one user. Does not block."""
        if user is not None:
            self._forget_user(user)
            return
        self._entries.forget()
        self._groups.forget()

    def forget_caller(self, who: str) -> None:
        """Keep nothing of one user of the realm, told as `name@realm`. Does not block."""
        user, _, realm = who.rpartition("@")
        if realm == self._realm:
            self._forget_user(user)

    def close(self) -> None:
        """Let go of kept connections."""
        self._directory.close()

    def _forget_user(self, user: str) -> None:
        self._entries.forget_one(user)
        self._groups.forget_one(user)

    def _entry(self, user: str) -> Entry | None:
        if not can_be_a_name(user):
            return None
        return self._entries.get(user, lambda: self._found(user))

    def _found(self, user: str) -> Entry | None:
        """The user's entry, asked for; None where its name is spelled otherwise."""
        settings = self._settings
        wanted = tuple(filter(None, (settings.user, settings.unique, settings.groups.member_of)))
        entry = self._directory.find(Query(settings.base, both(settings.filter, equals(settings.user, user)), wanted))
        return entry if entry is not None and user in entry.texts(settings.user) else None

    def __repr__(self) -> str:
        return f"<LdapUserRegistry {self._realm} in {self._directory!r}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("an LdapUserRegistry can't be pickled or copied: it knows a password")


def ldap_registry(realm: str, settings: Mapping[str, Any]) -> LdapUserRegistry:
    """The provider of the registry `ldap`: makes it from the `[realms.NAME]` table. Connects to nothing.

    Raises:
        ConfigError: A wrong setting (CF-LDAP-002, 003), or a CA file that can't be used (CF-LDAP-004).
        PluginError: The library is not there (CF-LDAP-001).
    """
    library()
    checked = read_settings(realm, settings)
    tls_context(checked.directory.ca_file)
    if checked.directory.plaintext:
        log.warning("the realm %s sends passwords to its directory in plain text: allow_plaintext is on", realm)
    return LdapUserRegistry(realm, checked)
