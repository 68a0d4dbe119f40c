"""What serves the clients of one chain, the same for all of them."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass

from connector_bus.chains.admission import Admission
from connector_bus.chains.crowd import Crowd
from connector_bus.chains.settings import ChainSettings
from connector_bus.chains.sole_connection import SoleConnections
from connector_bus.chains.throttle import Throttle


@dataclass(frozen=True, slots=True)
class ChainService:
    """Made once for each chain.

    Attributes:
        admission: Who gets in.
        container: Our name to the client.
        crowd: The clients of the chain, and what they may.
        throttle: Who guesses passwords.
        executor: Where what blocks is done.
        asking: Where the registry is asked: by few at a time, so that whoever guesses passwords hinders nothing else.
        linking: Where links from other buses do what blocks, which may be long.
        names: Which clients are to be the only ones of their name.
    """

    admission: Admission
    container: str
    crowd: Crowd
    throttle: Throttle
    executor: Executor
    asking: Executor
    linking: Executor
    names: SoleConnections

    @property
    def chain(self) -> ChainSettings:
        """What the clients may."""
        return self.crowd.chain
