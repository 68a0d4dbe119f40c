"""Profile `outbound-async` in one class: what an adapter with Capability.ASYNC is asked on event loops."""

from __future__ import annotations

from connector.testing.contracts.async_core import AsyncCoreContract
from connector.testing.contracts.async_ends import AsyncEndsContract
from connector.testing.contracts.async_pool import AsyncPoolContract
from connector.testing.contracts.async_security import AsyncSecurityContract
from connector.testing.contracts.async_tasks import AsyncTasksContract
from connector.testing.contracts.async_trust import AsyncTrustedIdentityContract
from connector.testing.contracts.async_turns import AsyncTurnsContract


class OutboundAsyncContract(
    AsyncCoreContract,
    AsyncEndsContract,
    AsyncPoolContract,
    AsyncTasksContract,
    AsyncSecurityContract,
    AsyncTrustedIdentityContract,
    AsyncTurnsContract,
):
    """All of it; supply the fixture `connector_backend`."""
