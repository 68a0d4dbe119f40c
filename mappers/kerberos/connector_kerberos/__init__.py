"""Kerberos sign-on: by a service's keytab, by the caller's own ticket, or by constrained delegation (SIGN-5, SIGN-6).

Entry point `kerberos` in `connector.mappers`; the extra `kerberos` brings python-gssapi. Whoever lets callers in by
ticket puts what `delegated` makes of the caller's ticket into the caller's subject.
"""

from connector_kerberos.brought import delegated, from_cache
from connector_kerberos.module import KerberosMappingModule

__all__ = ["KerberosMappingModule", "delegated", "from_cache"]
