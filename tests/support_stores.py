"""Where stores keep their lists in tests: backends of the kit's profile secret-store, and what they stand on."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool
from support_servers import missing

from connector.security.env_store import EnvironmentStore
from connector.security.key_file import KeyFile, generate_key
from connector.security.store_keys import VaultKeySource
from connector.security.vault import FileVault
from connector.spi import AuthenticationData, AuthenticationDataStore, Secret
from connector.testing import StoreBackend, StoreFacet
from connector_keyring.backend import NamedBackend
from connector_keyring.index import INDEX
from connector_keyring.store import KeyringStore
from connector_sqlstore import provider
from connector_sqlstore.store import SqlStore

SECRET_SERVICE = "keyring.backends.SecretService.Keyring"
MEMORY = "support_stores.MemoryKeyring"


class FileBackend(StoreBackend):
    """The vault in a folder."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "auth-data.vault"
        self.key = folder / "vault.key"
        self.good = b""

    def renew(self) -> None:
        for path in (self.path, self.key):
            path.unlink(missing_ok=True)
        generate_key(self.key)

    def store(self) -> FileVault:
        return FileVault(self.path, KeyFile(self.key))

    def with_wrong_key(self) -> AuthenticationDataStore:
        return FileVault(self.path, generate_key(self.folder / "wrong.key"))

    def damage(self) -> None:
        self.good = self.path.read_bytes()
        self.path.write_bytes(self.good[: len(self.good) // 2])

    def mend(self) -> None:
        self.path.write_bytes(self.good)

    def at_rest(self) -> bytes:
        return self.path.read_bytes()


class EnvironmentBackend(StoreBackend):
    """Variables and mounted files; the password of every second entry is in a file."""

    name = "env"
    lacks = {
        StoreFacet.WRITING: "what a container is given from outside can't be changed from within",
        StoreFacet.KEY: "it encrypts nothing: whoever injects the secrets guards them",
        StoreFacet.REST: "an environment is read by its process's owner only",
    }

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}

    def renew(self) -> None:
        self.environment = {"PATH": "/"}

    def store(self) -> EnvironmentStore:
        return EnvironmentStore(environment=self.environment)

    def seed(self, entries: Iterable[AuthenticationData]) -> None:
        for number, entry in enumerate(entries):
            name = f"CONNECTOR_AUTH_DATA__{entry.alias.upper().replace('-', '_')}"
            self.environment |= {f"{name}__USER": entry.user, f"{name}__DESCRIPTION": entry.description}
            if number % 2:
                file = self.folder / entry.alias
                file.write_text(f"{entry.password.reveal()}\n")
                self.environment[f"{name}__PASSWORD_FILE"] = str(file)
            else:
                self.environment[f"{name}__PASSWORD"] = entry.password.reveal()

    def damage(self) -> None:
        self.environment["CONNECTOR_AUTH_DATA__PAYROLL__PASWORD"] = "x"

    def mend(self) -> None:
        del self.environment["CONNECTOR_AUTH_DATA__PAYROLL__PASWORD"]


class SqlBackend(StoreBackend):
    """A table in a database."""

    name = "sql"

    def __init__(self, folder: Path, url: str, password: Secret | None = None) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {"url": url}
        if password is not None:
            self.settings["password"] = password
        self.key = folder / "sql.key"

    def execute(self, sql: str, **values: Any) -> list[Any]:
        """One statement as its owner."""
        engine = self.store()._engine
        with engine.begin() as connection:
            result = connection.execute(text(sql), values)
            return list(result) if result.returns_rows else []

    def renew(self) -> None:
        self.key.unlink(missing_ok=True)
        generate_key(self.key)
        for table in ("connector_auth_data", "connector_auth_data_state"):
            self.execute(f"DROP TABLE IF EXISTS {table}")

    def store(self) -> SqlStore:
        return provider.with_keys(self.settings, VaultKeySource(KeyFile(self.key)))

    def with_wrong_key(self) -> AuthenticationDataStore:
        wrong = self.folder / "wrong.key"
        wrong.unlink(missing_ok=True)
        return provider.with_keys(self.settings, VaultKeySource(generate_key(wrong)))

    def damage(self) -> None:
        self.execute("UPDATE connector_auth_data SET version = version + 7 WHERE alias = 'payroll'")

    def mend(self) -> None:
        self.execute("UPDATE connector_auth_data SET version = version - 7 WHERE alias = 'payroll'")

    def at_rest(self) -> bytes:
        rows = self.execute("SELECT alias, box FROM connector_auth_data")
        return b"".join(alias.encode() + (bytes(box) if box is not None else b"") for alias, box in rows)


class MemoryKeyring:
    """A keyring backend that keeps its items in this process; named like any other."""

    priority = 1
    items: ClassVar[dict[tuple[str, str], str]] = {}
    #: Raised in place of an answer.
    broken: ClassVar[Exception | None] = None

    def get_password(self, service: str, username: str) -> str | None:
        self._fail()
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._fail()
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._fail()
        del self.items[service, username]

    def _fail(self) -> None:
        if MemoryKeyring.broken is not None:
            raise MemoryKeyring.broken


class NothingKeyring(MemoryKeyring):
    """As the null backend says it of itself."""

    priority = -1


class KeyringBackend(StoreBackend):
    """A list in a keyring; a new service for each test."""

    name = "keyring"
    lacks = {
        StoreFacet.KEY: "the keyring encrypts by itself",
        StoreFacet.REST: "the keyring's own files are the keyring's business",
    }

    def __init__(self, backend: str) -> None:
        self.backend = NamedBackend(backend)
        self.service = ""
        self.good = ""

    def renew(self) -> None:
        self.service = f"connector tests {secrets.token_hex(8)}"

    def store(self) -> KeyringStore:
        return KeyringStore(self.backend, self.service)

    def damage(self) -> None:
        self.good = self.backend.get(self.service, INDEX) or ""
        self.backend.set(self.service, INDEX, Secret(self.good[: len(self.good) // 2]))

    def mend(self) -> None:
        self.backend.set(self.service, INDEX, Secret(self.good))


class SecretServiceBackend(KeyringBackend):
    """A list in the Secret Service, whose file can be looked into."""

    lacks = {StoreFacet.KEY: "the keyring encrypts by itself"}

    def __init__(self, folder: Path) -> None:
        super().__init__(SECRET_SERVICE)
        self.folder = folder

    def at_rest(self) -> bytes:
        files = list(self.folder.rglob("*.keyring"))
        assert files, "the daemon keeps its items in files"
        return b"".join(path.read_bytes() for path in files)


@contextmanager
def secret_service(folder: Path) -> Iterator[dict[str, str]]:
    """A real Secret Service of its own: a session bus and an unlocked gnome-keyring, both gone afterwards.

    Yields the environment by which this user's processes find it. Skips, in CI fails, where the programs are missing.
    """
    programs = [shutil.which(name) for name in ("dbus-daemon", "gnome-keyring-daemon")]
    if not all(programs):
        missing("dbus-daemon and gnome-keyring-daemon (tests/servers/install)")
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DBUS_", "XDG_", "GNOME_"))},
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    bus = subprocess.Popen(
        [str(programs[0]), "--session", "--nofork", "--nopidfile", "--print-address=1"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with bus:
        try:
            assert bus.stdout is not None
            environ["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
            daemon = subprocess.Popen(
                [str(programs[1]), "--foreground", "--unlock", "--components=secrets"],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            with daemon:
                try:
                    assert daemon.stdin is not None
                    assert daemon.stdout is not None
                    daemon.stdin.write(b"the keyring's own password")
                    daemon.stdin.close()
                    daemon.stdout.readline()  # its environment: from now on it answers
                    yield {name: environ[name] for name in ("HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")}
                finally:
                    daemon.terminate()
        finally:
            bus.terminate()


def sqlite_url(path: Path) -> str:
    """A database in a file."""
    return f"sqlite:///{path}"


def run_sql(url: str, *statements: str) -> None:
    """Statements of a test's own, beside the store."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
