"""Authentication data of a bench that has none."""

from __future__ import annotations

from connector.errors import AuthDataError, Reason
from connector.spi import AuthenticationData

NO_ALIASES = Reason("CF-KIT-031", "the bench has no authentication data, and was asked for alias {alias}", "")


def no_alias(alias: str) -> AuthenticationData:
    """Stands for `BootstrapContext.authentication_data`. Raises AuthDataError CF-KIT-031."""
    raise AuthDataError(NO_ALIASES, alias=alias)
