"""Local transactions over the wire, of clients that have them."""

from __future__ import annotations

import pytest
from support_clients import Client
from support_interop import Place, built

pytestmark = pytest.mark.amqp


@pytest.fixture(params=["jms", "proton-handlers"])
def transactional(request: pytest.FixtureRequest, clients: dict[str, Client]) -> Client:
    return built(request.param, clients)


def test_what_is_sent_in_a_transaction_is_there_with_its_commit(
    place: Place, transactional: Client, queue: str
) -> None:
    ended = transactional.run(place.plain, "alice", "transact", queue, "commit", "one", "two")
    assert ended.said == ("committed",)
    assert place.wire.bus.engine.destinations.get(queue).queue.counts() == (2, 0)


def test_nothing_is_there_of_a_transaction_that_was_rolled_back(
    place: Place, transactional: Client, queue: str
) -> None:
    ended = transactional.run(place.plain, "alice", "transact", queue, "rollback", "one", "two")
    assert ended.said == ("rolled back",)
    assert place.wire.bus.engine.destinations.get(queue).queue.counts() == (0, 0)
