"""An LDAP directory as a user registry, and as the place of callers' credentials for global sign-on.

Three entry points of one package: `ldap` in `connector.registries`, `ldap-gso` in `connector.mappers`, and `ldap` in
`connector.plugins`, by which what is kept is forgotten in time.  Plugins and mappers don't import each other, and what
they need here, TLS with deadlines, failing over, telling "no" from "not reached", is nothing to have twice.  Nothing is
imported here, since every container loads its listeners; python-ldap comes with the extra `ldap` and is imported where
a directory is used.
"""
