"""Login configurations: a name and an ordered stack of login modules with their flags and options (SIGN-4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from connector.spi import ControlFlag, Dependency, LoginModule

_ASKED_EVERY_TIME = frozenset({Dependency.TIME})


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """One link of a login configuration.

    Attributes:
        module: The module's name as configured, for reports.
        make: Makes the module, anew for each login; may import it. What it raises counts as the module's failure.
        flag: What the module's success or failure means for the chain.
        options: The module's options, shared by all users of the configuration; not shown, they may hold secrets.
    """

    module: str
    make: Callable[[], LoginModule]
    flag: ControlFlag
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def depends_on(self) -> frozenset[Dependency]:
        """What the module's outcome depends on. One that declares nothing, or can't be made, is asked every time."""
        declared = getattr(self.make, "depends_on", None)
        if declared is None:
            try:
                declared = getattr(self.make(), "depends_on", None)
            except Exception:  # noqa: BLE001 - a module that can't be made has no say; its failure is the chain's to report
                return _ASKED_EVERY_TIME
        fit = isinstance(declared, frozenset) and bool(declared) and all(isinstance(d, Dependency) for d in declared)
        return frozenset(declared) if fit and declared is not None else _ASKED_EVERY_TIME


@dataclass(frozen=True)
class LoginConfiguration:
    """A uniquely named, ordered stack of login modules. Immutable, safe to share.

    Attributes:
        name: The configuration's name.
        entries: The stack, in the order of the configuration (never of loading).
    """

    name: str
    entries: tuple[ChainEntry, ...]

    @cached_property
    def depends_on(self) -> frozenset[Dependency]:
        """What the chain's outcome depends on: the union over its modules. May import modules at its first use."""
        return frozenset().union(*(entry.depends_on for entry in self.entries))
