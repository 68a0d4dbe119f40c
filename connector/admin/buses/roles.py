"""Roles, inheritance and chains of a bus, from Python (BUS-2 to BUS-7, BUS-12, CHAIN-2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, final

from connector.admin.bus_place import inheritance_arguments, place_arguments
from connector.admin.buses.answers import ChainsAnswer, EditAnswer, InheritanceAnswer, RoleAnswer
from connector.admin.buses.operator import Operator


@final
class Roles:
    """`connector bus roles`. Safe to use from any thread.

    HOLDER is `user:NAME`, `group:NAME`, `Everyone`, `AllAuthenticated` or `Server`. Where a role is held is said by at
    most one of `destination` (with `topic` a topic of that topic space), `foreign`, `temporary`, `kept` and `default`;
    without any it is the bus itself, whose role is `connector`. More than one of them raises ValueError. What changes
    the configuration blocks for its files, and raises ConfigError where the result would be wrong.
    """

    def __init__(self, operator: Operator, bus: str) -> None:
        self._operator = operator
        self._bus = bus

    def list(
        self,
        *,
        holder: str | None = None,
        destination: str | None = None,
        topic: str | None = None,
        foreign: str | None = None,
        temporary: str | None = None,
        kept: str | None = None,
        default: bool = False,
    ) -> Sequence[RoleAnswer]:
        """All assignments; or those of one holder, or at one place. Raises NameNotFound CF-ADM-083."""
        place = place_arguments(
            destination=destination, topic=topic, foreign=foreign, temporary=temporary, kept=kept, default=default
        )
        found = self._operator.call("bus.roles.list", bus=self._bus, holder=holder, **place)
        return cast("Sequence[RoleAnswer]", found)

    def add(
        self,
        role: str,
        holder: str,
        *,
        destination: str | None = None,
        topic: str | None = None,
        foreign: str | None = None,
        temporary: str | None = None,
        kept: str | None = None,
        default: bool = False,
    ) -> EditAnswer:
        """Give a role; harmless where the holder has it. Raises NameNotFound CF-ADM-082 to -084."""
        place = place_arguments(
            destination=destination, topic=topic, foreign=foreign, temporary=temporary, kept=kept, default=default
        )
        done = self._operator.call("bus.roles.add", bus=self._bus, role=role, holder=holder, **place)
        return cast("EditAnswer", done)

    def remove(
        self,
        role: str,
        holder: str,
        *,
        destination: str | None = None,
        topic: str | None = None,
        foreign: str | None = None,
        temporary: str | None = None,
        kept: str | None = None,
        default: bool = False,
    ) -> EditAnswer:
        """Take a role; harmless where the holder has it not, and where the registry no longer knows it.

        Raises NameNotFound CF-ADM-082 or -083.
        """
        place = place_arguments(
            destination=destination, topic=topic, foreign=foreign, temporary=temporary, kept=kept, default=default
        )
        done = self._operator.call("bus.roles.remove", bus=self._bus, role=role, holder=holder, **place)
        return cast("EditAnswer", done)

    def clear(
        self,
        *,
        destination: str | None = None,
        topic: str | None = None,
        foreign: str | None = None,
        temporary: str | None = None,
        kept: str | None = None,
        default: bool = False,
    ) -> EditAnswer:
        """Take all roles at one place from everybody, of a topic space those on its topics too.

        Raises NameNotFound CF-ADM-082 or -083.
        """
        place = place_arguments(
            destination=destination, topic=topic, foreign=foreign, temporary=temporary, kept=kept, default=default
        )
        return cast("EditAnswer", self._operator.call("bus.roles.clear", bus=self._bus, **place))

    def remove_from_all(self, holder: str) -> EditAnswer:
        """Take everything on this bus from whoever leaves, in one change: roles, and the right to assert others."""
        done = self._operator.call("bus.roles.remove-from-all", bus=self._bus, holder=holder)
        return cast("EditAnswer", done)

    def populate_unique_names(self, *, force: bool = False) -> EditAnswer:
        """Write down the registry's unique names of the users that hold anything, where none is; all with `force`.

        Blocks for the registry as well.
        """
        return cast("EditAnswer", self._operator.call("bus.roles.populate", bus=self._bus, force=force))


@final
class Inheritance:
    """`connector bus inherit`: whether a destination has the default roles, and a topic those of the one above it.

    NAME is a destination; with `temporary` a prefix, with `kept` a destination that may not be there. With `topic` and
    `role` (sender or receiver) it is about that topic of the topic space NAME. Safe to use from any thread; blocks for
    the files; raises NameNotFound CF-ADM-082 or -083, and ValueError for options that don't go together.
    """

    def __init__(self, operator: Operator, bus: str) -> None:
        self._operator = operator
        self._bus = bus

    def on(
        self,
        name: str,
        *,
        topic: str | None = None,
        role: str | None = None,
        temporary: bool = False,
        kept: bool = False,
    ) -> EditAnswer:
        """Have it inherit."""
        place = self._place(name, topic, role, temporary=temporary, kept=kept)
        return cast("EditAnswer", self._operator.call("bus.inherit", inherit=True, **place))

    def off(
        self,
        name: str,
        *,
        topic: str | None = None,
        role: str | None = None,
        temporary: bool = False,
        kept: bool = False,
    ) -> EditAnswer:
        """Have only its own assignments count."""
        place = self._place(name, topic, role, temporary=temporary, kept=kept)
        return cast("EditAnswer", self._operator.call("bus.inherit", inherit=False, **place))

    def show(
        self,
        name: str,
        *,
        topic: str | None = None,
        role: str | None = None,
        temporary: bool = False,
        kept: bool = False,
    ) -> InheritanceAnswer:
        """Whether it inherits, as it is configured."""
        place = self._place(name, topic, role, temporary=temporary, kept=kept)
        return cast("InheritanceAnswer", self._operator.call("bus.inherit.show", **place))

    def _place(self, name: str, topic: str | None, role: str | None, *, temporary: bool, kept: bool) -> dict[str, Any]:
        return {"bus": self._bus, **inheritance_arguments(name, topic, role, temporary=temporary, kept=kept)}


@final
class Chains:
    """`connector bus chains`: the transport chains over which a bus takes clients. Safe to use from any thread."""

    def __init__(self, operator: Operator, bus: str) -> None:
        self._operator = operator
        self._bus = bus

    def list(self) -> ChainsAnswer:
        """All chains, and whether the bus takes clients over them. Raises NameNotFound CF-ADM-083."""
        return cast("ChainsAnswer", self._operator.call("bus.chains.list", bus=self._bus))

    def permit(self, chain: str) -> EditAnswer:
        """Have it take clients over a chain. Blocks for the files. Raises NameNotFound CF-ADM-083 or -088."""
        return cast("EditAnswer", self._operator.call("bus.chains.permit", bus=self._bus, chain=chain))

    def forbid(self, chain: str) -> EditAnswer:
        """Have it take none. Blocks for the files. Raises NameNotFound CF-ADM-083, ConfigError CF-ADM-089."""
        return cast("EditAnswer", self._operator.call("bus.chains.forbid", bus=self._bus, chain=chain))
