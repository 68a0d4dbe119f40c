"""All inbound profiles in one class, for authors who subclass once."""

from __future__ import annotations

from connector.testing.contracts.delivery import DeliveryContract, RedeliveryContract
from connector.testing.contracts.inbound_core import InboundCoreContract
from connector.testing.contracts.inbound_security import InboundSecurityContract
from connector.testing.contracts.inbound_transactions import InboundTransactionsContract


class InboundContract(
    InboundCoreContract,
    InboundSecurityContract,
    DeliveryContract,
    RedeliveryContract,
    InboundTransactionsContract,
):
    """Profiles inbound-core, inbound-security, delivery, redelivery and inbound-transactions; supply the fixture
    `connector_inbound`.
    """
