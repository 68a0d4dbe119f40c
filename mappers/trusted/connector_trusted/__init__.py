"""Trusted connections: one user opens the connection, each caller's own identity is asserted on it (TRUST-1).

The module behind the built-in login configuration `TrustedConnectionMapping`. Entry point `trusted` in
`connector.mappers`.
"""

from connector_trusted.module import TrustedConnectionMappingModule

__all__ = ["TrustedConnectionMappingModule"]
