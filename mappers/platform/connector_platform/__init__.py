"""Platform identity: the operating system's user id where no user and password is given (SIGN-5).

Entry point `platform` in `connector.mappers`.
"""

from connector_platform.module import PlatformMappingModule

__all__ = ["PlatformMappingModule"]
