"""Authentication data in a SQL table, for several containers that share one list (AUTHD-2; group `connector.stores`).

`[auth_data] store = "sql"`.  Entries are encrypted by the framework's own cipher, which the container hands over
(`connector.spi.StoreKeySource`); the database sees aliases, versions and ciphertext.  SQLAlchemy comes with the extra
`sql` and is imported only where the store is used.
"""

from connector_sqlstore.provider import SqlStoreProvider

#: What the entry point names.
provider = SqlStoreProvider()

__all__ = ["SqlStoreProvider", "provider"]
