"""An adapter to an echo server: connections by user and password, callers asserted by a trusted user."""

from connector_echo.adapter import EchoResourceAdapter

__all__ = ["EchoResourceAdapter"]
