"""The chains of one container: one event loop on one thread, a listening socket for each chain (CHAIN-1)."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, final

from connector.errors import ConfigError, Reason
from connector.spi import IdentityService, Measurement
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.directed_bus import DirectedBus
from connector_bus.chains.admission import Admission
from connector_bus.chains.chain_figures import figures
from connector_bus.chains.chain_service import ChainService
from connector_bus.chains.crowd import Crowd
from connector_bus.chains.place import Place
from connector_bus.chains.protocol import ClientProtocol
from connector_bus.chains.securing import Contexts, Securing, TurnedAway
from connector_bus.chains.settings import ChainSettings
from connector_bus.chains.sole_connection import SoleConnections
from connector_bus.chains.throttle import Throttle
from connector_bus.store.amqp_content import load_proton

CANNOT_LISTEN = Reason(
    "CF-BUS-163",
    "chain {chain} can't listen on {host} port {port}: {why}",
    "Choose another port in [chains.{chain}], or end what has it.",
)

_LOG = logging.getLogger("connector_bus.chains")

#: Threads that do what blocks, for all clients together.
HELPERS = 4
#: Threads that ask the registry: hashing passwords takes a processor.
ASKING = 2
#: Threads that store what links bring, which may wait for a place.
LINKING = 128
#: Seconds that what is under way gets when the server stops.
DRAIN = 0.5

T = TypeVar("T")


@final
class ChainListeners:
    """All chains that are enabled. Safe to use from any thread.

    Args:
        chains: Their settings.
        buses: The buses of this server.
        directed: The buses whose clients it sends elsewhere.
        identity: Who is who.
        container: Our name to clients.
        contexts: The server's TLS context in force, by the name of the configuration; asked for each connection.

    Mutable state: `_servers` and `_clients`, changed on the loop only; `_thread`.
    """

    def __init__(
        self,
        chains: Sequence[ChainSettings],
        buses: Mapping[str, Bus],
        directed: Mapping[str, DirectedBus],
        identity: IdentityService,
        container: str,
        contexts: Contexts,
    ) -> None:
        self._chains = [chain for chain in chains if chain.enabled]
        self._buses = buses
        self._directed = directed
        self._identity = identity
        self._container = container
        self._contexts = contexts
        self._loop = asyncio.new_event_loop()
        self._executor = ThreadPoolExecutor(HELPERS, thread_name_prefix=f"{container}-chains")
        self._asking = ThreadPoolExecutor(ASKING, thread_name_prefix=f"{container}-sign-on")
        self._linking = ThreadPoolExecutor(LINKING, thread_name_prefix=f"{container}-links")
        self._throttle = Throttle()
        self._names = SoleConnections()
        self._crowds: dict[str, Crowd] = {}
        self._thread: threading.Thread | None = None
        self._servers: dict[str, asyncio.Server] = {}
        self._clients: dict[ClientProtocol, str] = {}
        self._handshakes: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Listen on all of them, or on none. Blocks for binding.

        Raises ConfigError CF-BUS-163, what the TLS configuration raises, MessagingError CF-BUS-150.
        """
        if not self._chains:
            return
        load_proton()
        for chain in self._chains:
            if chain.tls is not None:
                self._contexts(chain.tls)  # what is wrong with it is told at the start
        self._thread = threading.Thread(target=self._run, name=f"{self._container}-chains", daemon=True)
        self._thread.start()
        try:
            for chain in self._chains:
                self._call(self._listen(chain))
        except BaseException:
            self.stop()
            raise

    def ports(self) -> dict[str, int]:
        """The port of each chain that listens."""
        return {name: server.sockets[0].getsockname()[1] for name, server in self._servers.items() if server.sockets}

    def _places(self, reached: str) -> tuple[Place, ...]:
        """The chains that serve clients here, as those reach them that have come to this host."""
        ports = self.ports()
        return tuple(
            Place("amqps" if chain.is_secure else "amqp", chain.public_host or reached, ports[chain.name], chain.name)
            for chain in self._chains
            if chain.name in ports and not chain.redirect_to
        )

    def clients(self) -> dict[str, int]:
        """How many clients each chain has."""
        counts = dict.fromkeys(self._servers, 0)
        for chain in list(self._clients.values()):
            counts[chain] = counts.get(chain, 0) + 1
        return counts

    def measurements(self) -> Iterator[Measurement]:
        """The figures of each chain. Does not block."""
        clients = self.clients()
        for name, crowd in list(self._crowds.items()):
            yield from figures(crowd, clients.get(name, 0))

    def stop(self, timeout: float = 1.0) -> None:
        """Take no more clients, tell those there are, and end. Blocks for at most about `timeout` seconds.

        What is out at a client goes back to its place. A loop that is too busy to end within that time ends by itself,
        in the same order, once it gets to it. Harmless when called twice.
        """
        thread, self._thread = self._thread, None
        if thread is not None:
            # It is the end that stops the loop: stopped from here, a busy loop might never have begun with its end.
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)
            thread.join(timeout)
        elif not self._loop.is_running():
            self._loop.close()
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._asking.shutdown(wait=False, cancel_futures=True)
        self._linking.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        """The loop's whole life, on its thread: what is still under way at the end is cancelled, and awaited."""
        try:
            self._loop.run_forever()
        finally:
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.wait(left))
            self._loop.close()

    def _call(self, coroutine: Any, timeout: float | None = None) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout)

    async def _listen(self, chain: ChainSettings) -> None:
        admission = Admission(chain, self._buses, self._identity, self._directed, self._container, self._places)
        crowd = self._crowds[chain.name] = Crowd(chain)

        service = ChainService(
            admission,
            self._container,
            crowd,
            self._throttle,
            executor=self._executor,
            asking=self._asking,
            linking=self._linking,
            names=self._names,
        )

        def client() -> ClientProtocol:
            protocol = ClientProtocol(service, self._gone)
            self._clients[protocol] = chain.name
            return protocol

        def accepted() -> asyncio.BaseProtocol:
            if list(self._clients.values()).count(chain.name) >= chain.max_connections:
                crowd.refused["limit"] += 1
                _LOG.warning("chain %s has %d clients and takes no more", chain.name, chain.max_connections)
                return TurnedAway()
            if chain.tls is None:
                return client()
            return Securing(chain.tls, client, self._contexts, self._handshakes, crowd)

        try:
            self._servers[chain.name] = await self._loop.create_server(accepted, chain.host, chain.port)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ConfigError(CANNOT_LISTEN, chain=chain.name, host=chain.host, port=chain.port, why=why) from None
        _LOG.info("chain %s listens on %s port %d", chain.name, chain.host, self.ports()[chain.name])

    def _gone(self, client: ClientProtocol) -> None:
        self._clients.pop(client, None)

    async def _end(self) -> None:
        try:
            await self._say_goodbye()
        finally:
            self._loop.stop()

    async def _say_goodbye(self) -> None:
        for server in self._servers.values():
            server.close()
        for client in list(self._clients):
            client.drain()
        end = self._loop.time() + DRAIN
        while self._loop.time() < end and not all(client.is_quiet for client in list(self._clients)):
            await asyncio.sleep(0.01)
        for client in list(self._clients):
            client.close("The server stops.")
        for handshake in list(self._handshakes):
            handshake.cancel()
        for _ in range(10):  # let the sockets be written out and closed
            if not self._clients:
                return
            await asyncio.sleep(0.01)
        for client in list(self._clients):
            client.abort()  # whoever does not even end TLS, as the engine at the other end of a quiet link
        await asyncio.sleep(0)
