"""The settings of a realm whose users are in a directory: `[realms.NAME]`, turned into a checked value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.spi import Secret
from connector_ldap.directory import ServiceAccount
from connector_ldap.groups import GroupSettings
from connector_ldap.settings import DirectorySettings, SettingsReader


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """One realm in a directory.

    Attributes:
        directory: The servers.
        account: Whom look-ups run as.
        base: Users are below this entry.
        filter: What a user's entry passes.
        user: The attribute with the name that users log in by.
        unique: The attribute that stays the same when the name changes.
        groups: Where groups are.
        cache_time: Seconds that users and groups are kept; passwords never are.
    """

    directory: DirectorySettings
    account: ServiceAccount
    base: str
    filter: str
    user: str
    unique: str
    groups: GroupSettings
    cache_time: float


def read_settings(realm: str, table: Mapping[str, Any]) -> RegistrySettings:
    """From the `[realms.NAME]` table; connects to nothing and reads no file.

    Raises:
        ConfigError: A setting is wrong (CF-LDAP-002), or plain text that is not allowed (CF-LDAP-003).
    """
    reader = SettingsReader(table, f"[realms.{realm}]")
    password = table.get("bind_password")
    if not isinstance(password, Secret) or not password:
        # An empty one would be an anonymous bind, which succeeds and finds less.
        raise reader.wrong("bind_password", "it must be file:PATH or env:NAME of a password that is not empty")
    source = reader.text("groups", "member")
    if source not in {"member", "memberof"}:
        raise reader.wrong("groups", "it must be member or memberof")
    base = reader.text("base")
    groups = GroupSettings(
        base=reader.text("group_base", base),
        filter=reader.filter("group_filter", "(objectClass=groupOfNames)"),
        name=reader.attribute("group_attribute", "cn"),
        member=reader.attribute("member_attribute", "member"),
        member_of=reader.attribute("memberof_attribute", "memberOf") if source == "memberof" else "",
        nested=reader.switch("nested_groups", default=True),
    )
    return RegistrySettings(
        directory=reader.directory(),
        account=ServiceAccount(reader.text("bind_dn"), password),
        base=base,
        filter=reader.filter("user_filter", "(objectClass=inetOrgPerson)"),
        user=reader.attribute("user_attribute", "uid"),
        unique=reader.attribute("unique_attribute", "entryUUID"),
        groups=groups,
        cache_time=reader.duration("cache_time", 30.0),
    )
