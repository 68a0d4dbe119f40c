"""Changed settings of buses that run: what can be live, and what waits for a restart (CONF-8, BUS-12)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Final, final

from connector_bus.adapter.bus import Bus
from connector_bus.adapter.configuration import key
from connector_bus.settings import BusSettings, DestinationSettings

#: What of a bus is fixed when it is started.
_FIXED: Final = ("security", "exception_destination")
#: What of a destination changes while it is used: its roles. Its kind, its mediations and their limits don't.
_LIVE: Final = frozenset({"name", "inherits", "roles"})


@final
class BusesChange:
    """A change of all buses, checked and not yet made (implements `connector.spi.SectionsChange`).

    Args:
        buses: The buses that run, by name; new ones are put in.
        wanted: The settings that are wanted.
        make: Makes a bus; it is started here.

    Attributes:
        restart: The key paths of what waits for a restart.
    """

    def __init__(
        self, buses: dict[str, Bus], wanted: Mapping[str, BusSettings], make: Callable[[BusSettings], Bus]
    ) -> None:
        self._buses = buses
        self._make = make
        self._before = {name: bus.settings for name, bus in buses.items()}
        self._fresh = [each for name, each in wanted.items() if name not in buses]
        self._after = {name: live_settings(old, wanted[name]) for name, old in self._before.items() if name in wanted}
        self.restart = tuple(_waiting(self._before, wanted))

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
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Take it back."""
        for settings in self._fresh:
            bus = self._buses.pop(settings.name, None)
            if bus is not None:
                bus.stop(0.0)
        for name in self._after:
            self._buses[name].reconfigure(self._before[name])


def live_settings(old: BusSettings, new: BusSettings) -> BusSettings:
    """The settings of a bus that are in force once a change is made: what is fixed stays as it was started. Pure."""
    destinations = dict(old.destinations)
    for name, each in new.destinations.items():
        present = old.destinations.get(name)
        destinations[name] = each if present is None else _live_destination(present, each)
    return replace(new, **{field: getattr(old, field) for field in _FIXED}, destinations=destinations)


def _live_destination(old: DestinationSettings, new: DestinationSettings) -> DestinationSettings:
    return replace(old, **{name: getattr(new, name) for name in _LIVE})


def _waiting(before: Mapping[str, BusSettings], wanted: Mapping[str, BusSettings]) -> Iterator[str]:
    for bus, old in before.items():
        path, new = f"buses.{key(bus)}", wanted.get(bus)
        if new is None:
            yield path
            continue
        for name in _FIXED:
            if getattr(old, name) != getattr(new, name):
                yield f"{path}.{name}"
        for destination, settings in old.destinations.items():
            below, other = f"{path}.destinations.{key(destination)}", new.destinations.get(destination)
            if other is None:
                yield below
                continue
            changed = [f.name for f in fields(settings) if getattr(settings, f.name) != getattr(other, f.name)]
            yield from (f"{below}.{name}" for name in changed if name not in _LIVE)
