"""The service integration bus: secured queues with mediations in an embedded store, and the resource adapter to it.

Applications see connections and messages; authors of mediations import `MediationContext`.
"""

from connector_bus.adapter.connection import BusConnection
from connector_bus.adapter.factory import BusConnectionFactory
from connector_bus.adapter.resource_adapter import BusResourceAdapter
from connector_bus.engine.mediation import MediationContext

__all__ = ["BusConnection", "BusConnectionFactory", "BusResourceAdapter", "MediationContext"]
