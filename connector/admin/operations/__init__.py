"""The administrative operations: one table, carried out alike by the endpoint and by a command on its own."""

from connector.admin.operations.request import Login, Request
from connector.admin.operations.table import OPERATIONS, Operation, operation_named
from connector.admin.operations.target import Stores, Target

__all__ = ["OPERATIONS", "Login", "Operation", "Request", "Stores", "Target", "operation_named"]
