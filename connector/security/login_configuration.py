"""Login configurations: a name and an ordered stack of login modules with their flags and options (SIGN-4)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

from connector.errors import Problem
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
        """What the module's outcome depends on with these options.

        One that declares nothing usable, can't be made, or narrows to what it had not declared is asked every time.
        """
        try:
            declared = self._said("depends_on")
            narrowed = self._offered("dependencies")
            found = declared if narrowed is None else narrowed(self.options)
        except Exception:  # noqa: BLE001 - a module that can't be made has no say; its failure is the chain's to report
            return _ASKED_EVERY_TIME
        fit = _is_declaration(declared) and _is_declaration(found) and found <= declared
        return frozenset(found) if fit else _ASKED_EVERY_TIME

    @property
    def revision(self) -> Callable[[], Hashable] | None:
        """Asks the module whether something outside has changed; None for a module that depends on nothing outside."""
        try:
            offered = self._offered("revision")
        except Exception:  # noqa: BLE001 - as above: such a module is asked every time anyway
            return None
        return None if offered is None else partial(offered, self.options)

    def mistakes(self) -> tuple[Problem, ...]:
        """What the module finds wrong with its options. Raises what making it raises; may block for the disk."""
        offered = self._offered("mistakes")
        return () if offered is None else tuple(offered(self.options))

    def _offered(self, name: str) -> Any:
        """The optional method of that name, or None; what can't be called is something else of the module's own."""
        found = self._said(name)
        return found if callable(found) else None

    def _said(self, name: str) -> Any:
        """What the module's class has under that name, or None. `make` may be the class itself, or make its object."""
        found = getattr(self.make, name, None)
        return found if found is not None else getattr(self.make(), name, None)


def _is_declaration(declared: object) -> bool:
    return isinstance(declared, frozenset) and bool(declared) and all(isinstance(d, Dependency) for d in declared)


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

    @cached_property
    def changes_outside(self) -> bool:
        """Whether the chain's outcome depends on something outside, whose `revision` is to be asked."""
        return bool(self._revisions)

    def revision(self) -> Hashable | None:
        """What a kept outcome is good for beyond `depends_on`; None: can't be told now. May look at files' dates."""
        try:
            return tuple(revision() for revision in self._revisions)
        except Exception:  # noqa: BLE001 - unknown: nothing is kept, and each login says itself what is wrong
            return None

    @cached_property
    def _revisions(self) -> tuple[Callable[[], Hashable], ...]:
        return tuple(asked for asked in (entry.revision for entry in self.entries) if asked is not None)
