"""Whatever is done to a store in whatever order, it holds what a dictionary would (AUTHD-1, AUTHD-5)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_stores import MEMORY, FileBackend, KeyringBackend, MemoryKeyring, SqlBackend, sqlite_url

from connector.spi import Secret
from connector.testing import StoreBackend, StoreFacet

ALIASES = st.sampled_from(["a", "A", "ä", "two words"])
TEXTS = st.text(max_size=12).filter(lambda text: "\0" not in text)  # a database's text has no NUL
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("put"), ALIASES, TEXTS, TEXTS),
        st.tuples(st.just("remove"), ALIASES, st.just(""), st.just("")),
        st.tuples(st.just("rotate"), st.just(""), st.just(""), st.just("")),
    ),
    max_size=12,
)
BACKENDS: dict[str, Callable[[Path], StoreBackend]] = {
    "file": FileBackend,
    "sql": lambda folder: SqlBackend(folder, sqlite_url(folder / "list.db")),
    "keyring": lambda _folder: KeyringBackend(MEMORY),
}


@pytest.mark.parametrize("kind", BACKENDS)
def test_a_store_holds_what_a_dictionary_would(kind: str, memory_keyring: type[MemoryKeyring]) -> None:
    @settings(max_examples=25, deadline=None)
    @given(CHANGES)
    def check(changes: list[tuple[str, str, str, str]]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            backend = BACKENDS[kind](Path(folder))
            backend.renew()
            model: dict[str, tuple[str, str]] = {}
            highest: dict[str, int] = {}
            for what, alias, user, password in changes:
                if what == "put":
                    entry = backend.store().put(alias, user, Secret(password))
                    assert entry.version > highest.get(alias, 0)
                    model[alias], highest[alias] = (user, password), entry.version
                elif what == "remove":
                    assert backend.store().remove(alias) is (model.pop(alias, None) is not None)
                elif StoreFacet.KEY not in backend.lacks:
                    assert backend.store().rotate_key() == len(model)
                loaded = backend.store().load()
                assert {name: (entry.user, entry.password.reveal()) for name, entry in loaded.items()} == model
                assert all(loaded[name].version == highest[name] for name in model)

    check()
