"""Whom buses trust with what, so that `connector check` can tell of a user with several duties (CONF-4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from connector.errors import ConnectorError
from connector.spi import Duty
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key

ASSERTS: Final = "asserts callers on a bus"
SIGNS_ON: Final = "signs links between buses on"
BETWEEN_ENGINES: Final = "signs engines of a bus on"
MEDIATES: Final = "is who mediations send as"


def duties(buses: Iterable[Bus]) -> Iterator[Duty]:
    """The duties on these buses. Blocks for authentication data; an alias that can't be read gives none."""
    for bus in buses:
        place, settings = f"buses.{key(bus.name)}", bus.settings
        for user in sorted({each.name for each in settings.identity_assertion}):
            yield Duty(user, ASSERTS, f"{place}.identity_assertion")
        if settings.mediation_user is not None:
            yield Duty(settings.mediation_user, MEDIATES, f"{place}.mediation_user")
        if settings.inter_engine_alias is not None and bus.access.engine_user is not None:
            yield Duty(bus.access.engine_user, BETWEEN_ENGINES, f"{place}.inter_engine_alias")
        for name, way in settings.ways.items():
            if way.link is not None and way.link.certificate_user is not None:
                yield Duty(
                    way.link.certificate_user, SIGNS_ON, f"{place}.foreign_buses.{key(name)}.link.certificate_user"
                )
            if way.link is not None and way.link.alias is not None:
                with suppress(ConnectorError):  # a missing alias is reported by the link itself
                    user = bus.context.authentication_data(way.link.alias).user
                    yield Duty(user, SIGNS_ON, f"{place}.foreign_buses.{key(name)}.link.alias")
