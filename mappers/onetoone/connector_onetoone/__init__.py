"""One-to-one mapping: each caller to the caller's own user of the external system (SIGN-5).

From the caller's own credential, a table, or rules. Entry point `one-to-one` in `connector.mappers`; docs/mappers.md is
its reference.
"""

from connector_onetoone.module import OneToOneModule

__all__ = ["OneToOneModule"]
