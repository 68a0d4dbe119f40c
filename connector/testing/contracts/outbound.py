"""All outbound profiles in one class, for authors who subclass once."""

from __future__ import annotations

from connector.testing.contracts.core import OutboundCoreContract
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
):
    """Profiles outbound-core, outbound-security and outbound-pool; supply the fixture `connector_backend`."""
