"""Which subscribers may have a message: each looked up once, by the rights of the moment (BUS-6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import final

from connector.errors import AuthenticationFailed
from connector.spi import Principal, Subject, identity_outage
from connector_bus.engine.access import AccessControl
from connector_bus.engine.destination import DestinationTable
from connector_bus.engine.rights import RightsWatch
from connector_bus.engine.subscription import Subscription
from connector_bus.policy.roles import Role
from connector_bus.settings import MEMORY_SUBSCRIPTION


@final
class Subscribers:
    """The check of subscribers, message by message. Safe to use from any thread.

    Args:
        access: The role checks.
        rights: Knows subjects as they are now.
        destinations: Knows temporary topics: whoever made one may have all of it.
    """

    def __init__(self, access: AccessControl, rights: RightsWatch, destinations: DestinationTable) -> None:
        self._access = access
        self._rights = rights
        self._destinations = destinations

    def admitted(self, subscriptions: Iterable[Subscription], topic: str) -> Iterator[Subscription]:
        """Those whose subscribers may have a message of a topic. May block for the registry.

        Raises what the registry raises where it can't be asked; for a user that has vanished the answer is no.
        """
        access, owners = self._access, dict[Principal, Subject | None]()
        for each in subscriptions:
            record = each.record
            if not access.active or (record.place.startswith(MEMORY_SUBSCRIPTION) and self._is_temporary(record.space)):
                yield each
                continue
            if each.subject is not None:
                subject = self._present(each.subject)
            else:
                if record.owner not in owners:
                    owners[record.owner] = self._owner(record.owner)
                subject = owners[record.owner]
            if subject is not None and access.allows(subject, Role.RECEIVER, record.through, topic):
                yield each

    def _is_temporary(self, space: str) -> bool:
        return self._destinations.temporary(space) is not None

    def _present(self, subject: Subject) -> Subject | None:
        try:
            return self._rights.present(subject)
        except AuthenticationFailed as error:
            if identity_outage(error) is not None:
                raise
            return None

    def _owner(self, owner: Principal) -> Subject | None:
        try:
            return self._access.subject_of(owner)
        except AuthenticationFailed as error:
            if identity_outage(error) is not None:
                raise
            return None  # the user has vanished
