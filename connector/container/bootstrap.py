"""What an adapter gets to work with: the container's implementation of the bootstrap context."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.spi import (
    AuditLog,
    AuthenticationData,
    Clock,
    IdentityService,
    TlsService,
    TransactionService,
    WorkManager,
)


@dataclass(frozen=True, slots=True)
class AdapterBootstrap:
    """Implements `connector.spi.BootstrapContext`; one for each adapter. See there for the attributes."""

    container_name: str
    work_manager: WorkManager
    identity: IdentityService
    state_folder: Path
    sections: Mapping[str, Any]
    audit: AuditLog
    clock: Clock
    tls: TlsService
    transactions: TransactionService
    authentication_data: Callable[[str], AuthenticationData]
