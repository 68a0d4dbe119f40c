"""A configured identity: always the same user of the external system, whoever the caller is (SIGN-5).

Entry point `configured-identity` in `connector.mappers`; docs/mappers.md is its reference.
"""

from connector_configured.module import ConfiguredIdentityModule

__all__ = ["ConfiguredIdentityModule"]
