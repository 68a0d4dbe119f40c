"""The users of a realm in SQL tables (FLOW-3; group `connector.registries`).

`[realms.NAME] registry = "sql"`.  Passwords are hashed by the framework, which hands its hasher over
(`connector.spi.HashingRegistryProvider`); the database sees names, groups and hashes.  SQLAlchemy comes with the extra
`sql` and is imported only where the registry is used.
"""

from connector_sqlregistry.provider import SqlRegistryProvider

#: What the entry point names.
provider = SqlRegistryProvider()

__all__ = ["SqlRegistryProvider", "provider"]
