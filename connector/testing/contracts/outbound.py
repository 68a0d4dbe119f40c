"""All outbound profiles in one class, for authors who subclass once."""

from __future__ import annotations

from connector.testing.contracts.core import OutboundCoreContract
from connector.testing.contracts.outbound_async import OutboundAsyncContract
from connector.testing.contracts.pool import OutboundPoolContract
from connector.testing.contracts.reauthentication import ReauthenticationContract
from connector.testing.contracts.security import OutboundSecurityContract
from connector.testing.contracts.trust import TrustedIdentityContract


class OutboundContract(
    OutboundCoreContract,
    OutboundSecurityContract,
    ReauthenticationContract,
    TrustedIdentityContract,
    OutboundPoolContract,
    OutboundAsyncContract,
):
    """Profiles outbound-core, -security, -pool and -async; supply the fixture `connector_backend`."""
