"""Which plugins may load: allow and deny lists (OPS-3). Pure.

An allow list is a security feature: a package that came in as somebody's dependency can't add a login module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Names of the only plugins that may load, separated by commas; set and empty: none.
LOAD_VARIABLE = "CONNECTOR_LOAD_PLUGINS"
#: `1`, `true` or `yes`: a broken plugin stops the start.
STRICT_VARIABLE = "CONNECTOR_STRICT_PLUGINS"

_GROUP_PREFIX = "connector."


@dataclass(frozen=True, slots=True)
class Selection:
    """One allow list and one deny list.

    An entry is a plugin's name (`sql`), group and name (`adapters:sql`), or a distribution (`connector-echo`).

    Attributes:
        allow: What may load; None for everything.
        deny: What may not, even if allowed.
    """

    allow: frozenset[str] | None = None
    deny: frozenset[str] = frozenset()

    @classmethod
    def of(cls, allow: Iterable[str] | None, deny: Iterable[str] | None) -> Selection:
        """From lists as configured."""
        return cls(None if allow is None else frozenset(allow), frozenset(deny or ()))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Selection:
        """What `CONNECTOR_LOAD_PLUGINS` says."""
        listed = environ.get(LOAD_VARIABLE)
        return cls.of(None if listed is None else {n.strip() for n in listed.split(",") if n.strip()}, None)

    def blocked(self, group: str, name: str, distribution: str) -> str:
        """Why a plugin may not load, in words; empty if it may."""
        spellings = {name, f"{group}:{name}", f"{group.removeprefix(_GROUP_PREFIX)}:{name}"}
        spellings |= {distribution} if distribution else set()
        if spellings & self.deny:
            return "the deny list names it"
        if self.allow is not None and not spellings & self.allow:
            return "the allow list does not name it"
        return ""


def strict_by_environment(environ: Mapping[str, str]) -> bool:
    """Whether `CONNECTOR_STRICT_PLUGINS` asks for strictness."""
    return environ.get(STRICT_VARIABLE, "").strip().lower() in {"1", "true", "yes"}
