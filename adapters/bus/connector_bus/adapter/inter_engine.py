"""The user whom the engines of one bus sign on to each other as, and nobody else anywhere as (CHAIN-4)."""

from __future__ import annotations

import logging
from typing import final

from connector.errors import ConnectorError, LoginRefused, Reason
from connector.spi import AuthenticationData, BootstrapContext
from connector_bus.settings import BusSettings
from connector_bus.store.engine_proof import EngineProof

ALIAS_UNFIT = Reason(
    "CF-BUS-454",
    "the engine of bus {bus} can't sign on to the other engines with alias {alias}: {cause}",
    "Correct inter_engine_alias, or user and password of the alias; the registry has to know them.",
)

_LOG = logging.getLogger("connector_bus.adapter")


@final
class InterEngine:
    """The inter-engine alias of one bus.

    Args:
        settings: The bus.
        context: The container.
    """

    def __init__(self, settings: BusSettings, context: BootstrapContext) -> None:
        self._settings = settings
        self._context = context

    def user(self) -> str | None:
        """Its user; None without alias, or where it can't be read, which is logged. Blocks for authentication data."""
        try:
            data = self._data()
        except ConnectorError as error:
            _LOG.warning("bus %s: the inter-engine alias can't be read: %s", self._settings.name, error.code)
            return None
        return None if data is None else data.user

    def proof(self) -> EngineProof:
        """What this engine shows to others on a shared store. Blocks for the registry.

        Raises LoginRefused CF-BUS-454 where the alias can't be read, or the registry does not accept it.
        """
        identity = self._context.identity
        try:
            data = self._data()
            if data is None:
                return EngineProof()
            if self._settings.security and identity.security_enabled:
                identity.authenticate(data.user, data.password)
        except ConnectorError as error:
            place = {"bus": self._settings.name, "alias": self._settings.inter_engine_alias}
            raise LoginRefused(ALIAS_UNFIT, cause=f"{error.code}: {error.text}", **place) from None
        return EngineProof(data.user, data.password)

    def _data(self) -> AuthenticationData | None:
        alias = self._settings.inter_engine_alias
        return None if alias is None else self._context.authentication_data(alias)
