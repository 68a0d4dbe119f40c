"""One server for all clients, and a queue of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from support_clients import CLIENTS, Client, Server
from support_interop import EXTRA, Place, built
from support_tls import profile_keys
from support_wire import require_proton, wire


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A secured bus on a plain chain and two with TLS; everybody but mallory may connect."""
    require_proton()
    folder = tmp_path_factory.mktemp("interop")
    for name in ("node", "alice"):
        profile_keys(folder, name)
    with wire(folder, extra=EXTRA) as running:
        yield Place(running, folder)


@pytest.fixture(scope="session")
def everyone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A secured bus onto which those get who don't say who they are, and where they may do anything."""
    require_proton()
    roles = "".join(f'{role} = ["Everyone"]\n' for role in ("sender", "receiver", "browser"))
    extra = f"[buses.weather.default_roles]\n{roles}"
    with wire(tmp_path_factory.mktemp("everyone"), connectors='["Everyone"]', extra=extra) as running:
        yield Server(running.port())


@pytest.fixture(scope="session")
def clients() -> dict[str, Client]:
    """Those that were built already."""
    return {}


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, clients: dict[str, Client]) -> Client:
    """Each of them."""
    return built(request.param, clients)


@pytest.fixture(
    params=list(zip(CLIENTS, itertools.islice(itertools.cycle(CLIENTS), 1, None), strict=False)), ids="-".join
)
def pair(request: pytest.FixtureRequest, clients: dict[str, Client]) -> tuple[Client, Client]:
    """Each with the next one: so each talks to somebody of another make, in both directions."""
    first, second = request.param
    return built(first, clients), built(second, clients)


@pytest.fixture
def queue(place: Place) -> str:
    """A queue that nobody has used yet."""
    return place.new_queue()
