"""An LDAP directory as a user registry, and as the place of callers' credentials for global sign-on.

Two entry points of one package: `ldap` in `connector.registries` and `ldap-gso` in `connector.mappers`.  Plugins and
mappers don't import each other, and what both need here, TLS with deadlines, failing over, telling "no" from "not
reached", is nothing to have twice.  The library python-ldap comes with the extra `ldap` and is imported where a
directory is used.
"""

from connector_ldap.gso import LdapGsoMappingModule
from connector_ldap.registry import LdapUserRegistry, ldap_registry

__all__ = ["LdapGsoMappingModule", "LdapUserRegistry", "ldap_registry"]
