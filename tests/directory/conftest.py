"""A real directory for the room's tests, and what asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import support_ldap
from support_certificates import Authority
from support_security import FixedClock
from support_servers import missing
from support_slapd import SlapdServer, missing_part

from connector_ldap.gso_directory import DIRECTORIES
from connector_ldap.registry import LdapUserRegistry

MakeRegistry = Callable[..., LdapUserRegistry]


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    path.write_bytes(authority.pem)
    return path


@pytest.fixture(scope="session")
def shared_slapd(authority: Authority) -> Iterator[SlapdServer]:
    lacking = missing_part()
    if lacking is not None:
        missing(lacking)
    with SlapdServer(*authority.issue()) as server:
        support_ldap.fill(server)
        yield server


@pytest.fixture
def slapd(shared_slapd: SlapdServer) -> Iterator[SlapdServer]:
    """A directory that runs; what a test adds it takes away again."""
    yield shared_slapd
    if not shared_slapd.running:
        shared_slapd.start()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def make_registry(slapd: SlapdServer, ca_file: Path, clock: FixedClock) -> Iterator[MakeRegistry]:
    """Makes registries on it that are closed after the test."""
    made: list[LdapUserRegistry] = []

    def make(**changed: Any) -> LdapUserRegistry:
        made.append(support_ldap.registry(support_ldap.settings(slapd, ca_file, **changed), clock))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def registry(make_registry: MakeRegistry) -> LdapUserRegistry:
    return make_registry()


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """No test finds what another one's logins have kept."""
    yield
    DIRECTORIES.close()
