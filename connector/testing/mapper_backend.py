"""What a login module's author supplies: the module, its options, and the cases that it is to be asked (OPS-4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from connector.spi import AuthenticationData, LoginModule, Secret, Subject
from connector.testing.opened import Opened


class Outcome(Enum):
    """What a module answers at `login`."""

    SUCCEEDS = "succeeds"
    IGNORES = "ignores"
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class MapperCase:
    """One login.

    Attributes:
        name: For people.
        outcome: What the author expects.
        caller: Who calls; None for nobody at all.
        properties: The reference's mapping properties; its alias stands under `alias`.
        user: The user given in the call, or None.
        password: The password given in the call, or None.
    """

    name: str
    outcome: Outcome
    caller: Subject | None = None
    properties: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    user: str | None = None
    password: Secret | None = None


class MapperBackend(Opened, ABC):
    """The world that the kit asks a login module in; made without arguments when it is given by name.

    A context manager; override `open` and `close` where a directory or service has to run.
    """

    #: Makes the module: a class, as the entry point names it.
    module: type[LoginModule]
    #: The options of the login configuration.
    options: Mapping[str, Any] = MappingProxyType({})
    #: What is in the authentication data; passwords of eight characters or more, they are looked for.
    aliases: tuple[AuthenticationData, ...] = ()

    @property
    @abstractmethod
    def cases(self) -> tuple[MapperCase, ...]:
        """The logins to try; two of them at least succeed, for different callers or aliases."""
