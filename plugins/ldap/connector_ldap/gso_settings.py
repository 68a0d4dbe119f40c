"""The options of a global sign-on directory: one login configuration's, the same for all references that use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector_ldap.entries import Query, both, equals
from connector_ldap.settings import DirectorySettings, SettingsReader


@dataclass(frozen=True, slots=True)
class GsoSettings:
    """Where callers' credentials are. Immutable, without secrets, hashable.

    Attributes:
        directory: The servers.
        alias: The authentication alias of the service account.
        realm: Whose callers have entries; a caller of the same name in another realm is somebody else.
        base: Entries are below this one.
        filter: What an entry passes.
        caller: The attribute with the caller's name.
        target: The attribute with the external system's name.
        user: The attribute with the user there.
        password: The attribute with that user's password.
        cache_time: Seconds that a credential is kept.
    """

    directory: DirectorySettings
    alias: str
    realm: str
    base: str
    filter: str
    caller: str
    target: str
    user: str
    password: str
    cache_time: float

    def query(self, caller: str, target: str) -> Query:
        """The one entry of a caller for a system."""
        wanted = both(self.filter, equals(self.caller, caller), equals(self.target, target))
        return Query(self.base, wanted, (self.caller, self.target, self.user, self.password))


def read_options(options: Mapping[str, Any]) -> GsoSettings:
    """From the options of a login configuration, declared (`mapper.toml`) or as they are written. Connects to nothing.

    Raises:
        ConfigError: A wrong option (CF-LDAP-002), or plain text that is not allowed (CF-LDAP-003).
    """
    reader = SettingsReader(options, "the options of the login module ldap-gso")
    return GsoSettings(
        directory=reader.directory(),
        alias=reader.text("alias"),
        realm=reader.text("realm"),
        base=reader.text("base"),
        filter=reader.filter("filter", "(objectClass=eisCredential)"),
        caller=reader.attribute("caller_attribute", "eisCaller"),
        target=reader.attribute("target_attribute", "eisTarget"),
        user=reader.attribute("user_attribute", "eisUser"),
        password=reader.attribute("password_attribute", "eisPassword"),
        cache_time=reader.duration("cache_time", 60.0),
    )
