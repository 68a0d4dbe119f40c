"""Where users are in tests: backends of the kit's profile user-registry."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import support_ldap
from sqlalchemy import text
from support_ldap import GROUPS, PEOPLE, dn_of, group, group_dn
from support_security import FixedClock
from support_slapd import SlapdServer

from connector.security.file_registry import FileUserRegistry
from connector.security.passwords import ScryptCost, ScryptPasswords
from connector.spi import Secret, UserRegistry
from connector.testing import RegistryBackend, RegistryFacet
from connector_ldap.registry import LdapUserRegistry
from connector_sqlregistry import provider
from connector_sqlregistry.registry import SqlUserRegistry
from connector_sqlregistry.settings import read_settings
from weather_postgresql import PostgreSQLServer


class FileRegistryBackend(RegistryBackend):
    """Users in a file."""

    name = "file"
    lacks = {RegistryFacet.OUTAGE: "when the file goes away, the users known last stay in force"}

    def __init__(self, path: Path, cost: ScryptCost, *, verifiers: bool = False) -> None:
        self.path, self.cost, self.verifiers = path, cost, verifiers

    def renew(self) -> None:
        self.path.unlink(missing_ok=True)

    def registry(self) -> FileUserRegistry:
        return FileUserRegistry("kit", self.path, self.cost, scram=self.verifiers)

    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        self.registry().add_user(user, password, groups)

    def remove_user(self, user: str) -> None:
        self.registry().remove_user(user)

    def set_password(self, user: str, password: Secret) -> None:
        self.registry().set_password(user, password)


class SqlRegistryBackend(RegistryBackend):
    """Users in the tables of a database."""

    name = "sql"

    def __init__(self, settings: dict[str, Any], cost: ScryptCost) -> None:
        self.settings, self.cost = settings, cost
        self.made: list[SqlUserRegistry] = []

    def prove(self) -> None:
        """Registries that are made from now on want verifiers."""
        self.verifiers = True
        self.settings["scram"] = True

    def registry(self) -> SqlUserRegistry:
        self.made.append(provider.with_passwords("kit", self.settings, ScryptPasswords(self.cost)))
        return self.made[-1]

    def execute(self, *statements: str) -> None:
        """As the owner of the tables, behind the registry's back."""
        engine = read_settings("kit", self.settings).engine
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def renew(self) -> None:
        self.restore()
        self.execute(*(f"DROP TABLE IF EXISTS connector_{name}" for name in ("scram", "members", "groups", "users")))

    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        self.registry().add_user(user, password, groups)

    def remove_user(self, user: str) -> None:
        self.registry().remove_user(user)

    def set_password(self, user: str, password: Secret) -> None:
        self.registry().set_password(user, password)

    def close(self) -> None:
        for each in self.made:
            each.close()


class SqliteRegistryBackend(SqlRegistryBackend):
    """In a file; it is out of reach while somebody else has it locked."""

    def __init__(self, path: Path, cost: ScryptCost) -> None:
        super().__init__({"url": f"sqlite:///{path}", "timeout": 0.05}, cost)
        self.path = path
        self._lock: sqlite3.Connection | None = None

    def cut_off(self) -> None:
        self._lock = sqlite3.connect(self.path, isolation_level=None)
        self._lock.execute("BEGIN EXCLUSIVE")

    def restore(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class PostgreSQLRegistryBackend(SqlRegistryBackend):
    """On a server, which is killed to be out of reach."""

    def __init__(self, server: PostgreSQLServer, user: str, password: Secret, cost: ScryptCost) -> None:
        url = f"postgresql+psycopg://{server.host}:{server.port}/postgres"
        super().__init__({"url": url, "user": user, "password": password, "timeout": 5.0}, cost)
        self.server = server
        self._killed = False

    def cut_off(self) -> None:
        self.server.kill()
        self._killed = True

    def restore(self) -> None:
        if self._killed:
            self.server.restart()
            self._killed = False


class LdapRegistryBackend(RegistryBackend):
    """Users in a directory that runs."""

    name = "ldap"

    def __init__(self, server: SlapdServer, ca_file: Path) -> None:
        self.server, self.ca_file = server, ca_file
        self.clock = FixedClock()
        self.made: list[LdapUserRegistry] = []

    def renew(self) -> None:
        connection = self.server.admin()
        for base in (GROUPS, PEOPLE):
            for dn, _ in connection.search_s(base, 1, attrlist=["1.1"]):
                connection.delete_s(dn)
        connection.unbind_s()

    def registry(self) -> UserRegistry:
        self.made.append(support_ldap.registry(support_ldap.settings(self.server, self.ca_file), self.clock))
        return self.made[-1]

    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        import ldap

        self.server.add(dn_of(user), **support_ldap.person(user, password.reveal()))
        connection = self.server.admin()
        for name in groups:
            try:
                connection.modify_s(group_dn(name), [(0, "member", [dn_of(user).encode()])])
            except ldap.NO_SUCH_OBJECT:
                self.server.add(group_dn(name), **group(name, dn_of(user)))
        connection.unbind_s()

    def remove_user(self, user: str) -> None:
        self.server.delete(dn_of(user))

    def set_password(self, user: str, password: Secret) -> None:
        self.server.replace(dn_of(user), userPassword=password.reveal())

    def let_time_pass(self) -> None:
        self.clock.now += 3600

    def cut_off(self) -> None:
        self.server.stop()

    def restore(self) -> None:
        if not self.server.running:
            self.server.start()

    def close(self) -> None:
        for each in self.made:
            each.close()
