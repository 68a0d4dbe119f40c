"""Where a bus keeps its messages: what its settings say, and the store opened there (BUS-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from connector.errors import Reason
from connector_bus.store.contract import MessageStore, SharedStore
from connector_bus.store.engine_proof import EngineProof
from connector_bus.store.postgresql_place import PostgresqlPlace
from connector_bus.store.sqlite_store import SqliteStore

URL_MISSING = Reason(
    "CF-BUS-087", "no store_url for the store postgresql", "a URL such as postgresql://db.example/messages"
)
URL_UNUSED = Reason("CF-BUS-088", "a store_url for the store sqlite, which is a file", 'store = "postgresql" as well')


def read_place(
    bus: str, path: str, table: Mapping[str, Any], problem: Callable[[Reason, str], None]
) -> PostgresqlPlace | None:
    """The place of a bus's shared store; None for a file. Mistakes are told to `problem` with their key path."""
    url = table.get("store_url")
    if table.get("store", "sqlite") != "postgresql":
        if url is not None:
            problem(URL_UNUSED, f"{path}.store_url")
        return None
    if not url:
        problem(URL_MISSING, f"{path}.store_url")
        return None
    lease = float(table.get("store_lease") or 15.0)
    return PostgresqlPlace(str(url), table.get("store_user"), table.get("store_password"), bus, lease)


def open_store(
    bus: str, place: PostgresqlPlace | None, folder: Path, container: str, proof: Callable[[], EngineProof]
) -> tuple[MessageStore, SharedStore | None]:
    """Open a bus's store; blocks for it. Answers it, and once more where it is shared, which is opened with the proof
    that the engine belongs to the bus.

    Raises MessagingError CF-BUS-050, -051, -054 (a file that can't be used), -082 to -084 (a server),
    LoginRefused CF-BUS-453 or -454.
    """
    if place is None:
        return SqliteStore(folder / _file_name(bus)), None
    from connector_bus.store.postgresql_store import PostgresqlStore  # which loads a lot, for those who share a store

    shared = PostgresqlStore(place, container, proof())
    return shared, shared


def _file_name(bus: str) -> Path:
    """A file name that is different for different buses, whatever characters their names have."""
    return Path(f"{quote(bus, safe='')}.db")
