"""Changed settings of buses that run: what can be live, and what waits for a restart (CONF-8, BUS-12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, final

from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key
from connector_bus.settings import BusSettings

#: The keys of a bus that change while it runs: what the policy is made of, and where its clients are sent. All others
#: are fixed when it is started.
LIVE_KEYS: Final = frozenset(
    {
        "roles",
        "default_roles",
        "kept_roles",
        "temporary_prefixes",
        "foreign_buses",
        "identity_assertion",
        "bootstrap",
        "nominated",
        "members",
    }
)
#: The keys of a destination that do. Its kind, its mediations and their limits are fixed.
LIVE_DESTINATION_KEYS: Final = frozenset({"roles", "inherit_defaults", "topics", "topic_checks", "check"})
_DESTINATIONS: Final = "destinations"

Section = Mapping[str, Any]


@final
class BusesChange:
    """A change of all buses, checked and not yet made (implements `connector.spi.SectionsChange`).

    Args:
        buses: The buses that run, by name; new ones are put in.
        wanted: The settings that will be in force, of buses that run and of new ones.
        make: Makes a bus; it is started here.
        restart: The key paths of what waits for a restart.
        remember: Told `in_force`, whether the change is.
    """

    def __init__(
        self,
        buses: dict[str, Bus],
        wanted: Mapping[str, BusSettings],
        make: Callable[[BusSettings], Bus],
        restart: tuple[str, ...],
        remember: Callable[..., None],
    ) -> None:
        self._buses = buses
        self._make = make
        self._remember = remember
        self._before = {name: bus.settings for name, bus in buses.items()}
        self._fresh = [each for name, each in wanted.items() if name not in buses]
        self._after = {name: wanted[name] for name in self._before}
        self.restart = restart

    def apply(self) -> None:
        """Make it: roles and new destinations of the buses that run, then new buses. All of it, or nothing."""
        try:
            for name, settings in self._after.items():
                self._buses[name].reconfigure(settings)
            for settings in self._fresh:
                bus = self._make(settings)
                try:
                    bus.start()
                except BaseException:
                    bus.stop(0.0)
                    raise
                self._buses[settings.name] = bus
            self._remember(in_force=True)
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Take it back."""
        self._remember(in_force=False)
        for settings in self._fresh:
            bus = self._buses.pop(settings.name, None)
            if bus is not None:
                bus.stop(0.0)
        for name in self._after:
            self._buses[name].reconfigure(self._before[name])


def live_section(old: Section, new: Section) -> dict[str, Any]:
    """`[buses]` as it is in force once a change is made: what is fixed, or gone, stays as it was started. Pure."""
    return {name: _live_bus(old[name], new.get(name)) for name in old} | {n: new[n] for n in new if n not in old}


def _live_bus(old: Section, new: Section | None) -> Section:
    if new is None:
        return old
    before, after = old.get(_DESTINATIONS) or {}, new.get(_DESTINATIONS) or {}
    destinations = {name: _live(each, after.get(name, each), LIVE_DESTINATION_KEYS) for name, each in before.items()}
    fresh = {name: each for name, each in after.items() if name not in before}
    return {**_live(old, new, LIVE_KEYS), _DESTINATIONS: {**destinations, **fresh}}


def _live(old: Section, new: Section, keys: frozenset[str]) -> dict[str, Any]:
    fixed = {name: value for name, value in old.items() if name not in keys}
    return fixed | {name: value for name, value in new.items() if name in keys}


def waiting(old: Section, new: Section) -> Iterator[str]:
    """The key paths of what waits for a restart. Pure."""
    for bus, before in old.items():
        path, after = f"buses.{key(bus)}", new.get(bus)
        if after is None:
            yield path
            continue
        yield from (f"{path}.{key(name)}" for name in _fixed(before, after, LIVE_KEYS | {_DESTINATIONS}))
        destinations = after.get(_DESTINATIONS) or {}
        for name, settings in (before.get(_DESTINATIONS) or {}).items():
            below, other = f"{path}.{_DESTINATIONS}.{key(name)}", destinations.get(name)
            if other is None:
                yield below
            else:
                yield from (f"{below}.{key(each)}" for each in _fixed(settings, other, LIVE_DESTINATION_KEYS))


def waiting_chains(old: Section, new: Section) -> Iterator[str]:
    """The key paths of chains that have changed: they listen as they were started. Pure."""
    return (f"chains.{key(name)}" for name in {**old, **new} if old.get(name) != new.get(name))


def _fixed(old: Section, new: Section, live: frozenset[str]) -> list[str]:
    """The keys that differ and are not live."""
    return [name for name in {**old, **new} if name not in live and old.get(name) != new.get(name)]
