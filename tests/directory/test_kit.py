"""Registries and the mapper conform to the kit's profiles user-registry and mapper (OPS-4)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import support_ldap
from support_certificates import Authority
from support_ldap import REALM, service_account
from support_registries import FileRegistryBackend, LdapRegistryBackend
from support_servers import missing
from support_slapd import SlapdServer, missing_part

from connector.security.passwords import ScryptCost
from connector.spi import Subject
from connector.testing import MapperBackend, MapperCase, MapperContract, Outcome, RegistryBackend, RegistryContract
from connector_ldap.gso import LdapGsoMappingModule


class TestFileRegistry(RegistryContract):
    @pytest.fixture
    def connector_registry(self, tmp_path: Path) -> RegistryBackend:
        return FileRegistryBackend(tmp_path / "users.toml", ScryptCost(n=2**4, r=1, p=1))


@pytest.fixture(scope="module")
def empty_slapd(authority: Authority) -> Iterator[SlapdServer]:
    lacking = missing_part()
    if lacking is not None:
        missing(lacking)
    with SlapdServer(*authority.issue()) as server:
        yield server


@pytest.mark.ldap
class TestLdapRegistry(RegistryContract):
    @pytest.fixture
    def connector_registry(self, empty_slapd: SlapdServer, ca_file: Path) -> Iterator[RegistryBackend]:
        with LdapRegistryBackend(empty_slapd, ca_file) as backend:
            yield backend


class GsoBackend(MapperBackend):
    """A directory with credentials of two callers."""

    module = LdapGsoMappingModule

    def __init__(self, server: SlapdServer, ca_file: Path) -> None:
        self.options = support_ldap.options(server, ca_file)
        self.aliases = (service_account(server),)

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        alice, bob = (Subject.of_user(name, REALM, ["clerks"]) for name in ("alice", "bob"))
        return (
            MapperCase("alice's ledger", Outcome.SUCCEEDS, alice, {"target": "ledger"}),
            MapperCase("alice's archive", Outcome.SUCCEEDS, alice, {"target": "archive"}),
            MapperCase("bob's ledger", Outcome.SUCCEEDS, bob, {"target": "ledger"}),
            MapperCase("bob has no archive", Outcome.FAILS, bob, {"target": "archive"}),
            MapperCase("no target", Outcome.FAILS, alice),
            MapperCase("another realm", Outcome.FAILS, Subject.of_user("alice", "kit"), {"target": "ledger"}),
            MapperCase("nobody", Outcome.FAILS, None, {"target": "ledger"}),
        )


@pytest.mark.ldap
class TestLdapGso(MapperContract):
    @pytest.fixture
    def connector_mapper(self, slapd: SlapdServer, ca_file: Path) -> MapperBackend:
        return GsoBackend(slapd, ca_file)
