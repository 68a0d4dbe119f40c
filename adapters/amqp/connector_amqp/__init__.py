"""The resource adapter to any AMQP 1.0 broker: a bus of another process, or a broker of another make.

Applications see connections and messages, the same as of the bus in this process.
"""

from connector_amqp.adapter import AmqpResourceAdapter
from connector_amqp.async_connection import AsyncAmqpConnection
from connector_amqp.connection import AmqpConnection
from connector_amqp.factory import AmqpConnectionFactory

__all__ = ["AmqpConnection", "AmqpConnectionFactory", "AmqpResourceAdapter", "AsyncAmqpConnection"]
