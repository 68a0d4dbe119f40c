"""The way without code: `pytest --pyargs connector.testing.kit --connector-adapter=mypkg:Backend`.

`--connector-report=report.json` writes the report. Contracts that no option asks for are left out.
"""

from __future__ import annotations

from connector.testing.contracts.inbound import InboundContract
from connector.testing.contracts.mapper import MapperContract
from connector.testing.contracts.outbound import OutboundContract
from connector.testing.contracts.registry import RegistryContract
from connector.testing.contracts.store import StoreContract


class TestAdapter(OutboundContract):
    """The adapter of `--connector-adapter`."""


class TestInbound(InboundContract):
    """The inbound adapter of `--connector-inbound`."""


class TestStore(StoreContract):
    """The authentication-data store of `--connector-store`."""


class TestRegistry(RegistryContract):
    """The user registry of `--connector-registry`."""


class TestMapper(MapperContract):
    """The login module of `--connector-mapper`."""
