"""What an adapter can do beyond the necessary: declared in its `ra.toml`, believed by pool and conformance kit."""

from __future__ import annotations

from enum import Enum


class Capability(Enum):
    """One optional ability of an adapter. What is not declared is never asked of it."""

    VALIDATION = "validation"  # a managed connection can say whether it is still good
    MATCHING = "matching"  # the factory chooses among free connections itself
    REAUTHENTICATION = "reauthentication"  # a connection can be signed on anew as another user in place (POOL-5)
    IDENTITY_SWITCH = "identity-switch"  # a trusted connection can assert another caller (TRUST)
    ASYNC = "async"  # the factory makes connections for asyncio as well
    LOCAL_TRANSACTION = "local-transaction"  # one-phase transactions
    TWO_PHASE = "two-phase"  # prepare, commit, recover
    INBOUND = "inbound"  # endpoint activations
    SECURITY_INFLOW = "security-inflow"  # submits work with a security context
    TRANSACTED_DELIVERY = "transacted-delivery"  # receive, reply and send within one unit of its own store
