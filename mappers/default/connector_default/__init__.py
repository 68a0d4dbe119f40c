"""The default principal mapping: an alias becomes a user and a password, for every caller the same (SIGN-3).

The module behind the built-in login configuration `DefaultPrincipalMapping`. Entry point `default` in
`connector.mappers`.
"""

from connector_default.module import DefaultPrincipalMappingModule

__all__ = ["DefaultPrincipalMappingModule"]
