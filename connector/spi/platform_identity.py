"""A platform's own user id as a credential: the operating system vouches for it, no secret goes along (SIGN-5)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

#: The mechanism's name: the external system asks the operating system who is there.
PLATFORM: Final = "Platform"


@dataclass(frozen=True, slots=True)
class PlatformIdentity:
    """A user id of the operating system, for an external system on the same host that believes it.

    In a caller's own subject it has no factory: whoever authenticated the caller by the platform has put it there. An
    application can't.

    Attributes:
        user: The user id.
        factory: The managed connection factory that it is for; other factories must not use it.
    """

    user: str
    factory: object | None = field(default=None, repr=False)
    mechanism: str = PLATFORM

    def key(self) -> Hashable:
        """The user id."""
        return (self.mechanism, self.user)

    def __hash__(self) -> int:
        return hash((self.mechanism, self.user, id(self.factory)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PlatformIdentity):
            return NotImplemented
        return self.factory is other.factory and self.key() == other.key()
