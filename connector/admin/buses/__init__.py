"""The administration of a bus from Python (BUS-12)."""

from connector.admin.buses.administration import BusAdministration

__all__ = ["BusAdministration"]
