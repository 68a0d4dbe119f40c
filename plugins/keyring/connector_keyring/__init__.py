"""Authentication data in the operating system's keyring (AUTHD-2; group `connector.stores`).

`[auth_data] store = "keyring"`, with the backend named.  The keyring encrypts and guards by the user's session; the
library `keyring` comes with the extra `keyring` and is imported only where the store is used.
"""

from connector_keyring.store import KeyringStore, keyring_store

__all__ = ["KeyringStore", "keyring_store"]
