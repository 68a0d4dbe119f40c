"""The mappers `kerberos` and `platform` conform (OPS-4): the kit, by subclassing."""

from __future__ import annotations

import pytest
from support_kit_identity import KerberosMappingBackend, PlatformMappingBackend

from connector.testing import MapperContract


class TestKerberosMapping(MapperContract):
    @pytest.fixture
    def connector_mapper(self) -> KerberosMappingBackend:
        return KerberosMappingBackend()


class TestPlatformMapping(MapperContract):
    @pytest.fixture
    def connector_mapper(self) -> PlatformMappingBackend:
        return PlatformMappingBackend()
