"""What a client may not do it is told with the code that is documented, and what it has keeps going (research 3.2)."""

from __future__ import annotations

import pytest
from support_clients import Client
from support_interop import Place, built

pytestmark = pytest.mark.amqp


def test_a_user_who_is_not_in_the_connector_role_hears_so(place: Place, client: Client, queue: str) -> None:
    assert "CF-BUS-012" in client.run(place.plain, "mallory", "send", queue, "hello").refusal


def test_a_user_who_may_not_send_hears_so(place: Place, client: Client) -> None:
    assert "CF-BUS-020" in client.run(place.plain, "bob", "send", "private", "hello").refusal


def test_a_user_who_may_not_receive_hears_so(place: Place, client: Client) -> None:
    assert "CF-BUS-021" in client.run(place.plain, "alice", "receive", "private", "1").refusal


def test_a_user_who_may_not_browse_hears_so(place: Place, client: Client) -> None:
    assert "CF-BUS-022" in client.run(place.plain, "bob", "browse", "private").refusal


@pytest.mark.parametrize("action", ["send", "receive", "browse"])
def test_a_destination_that_is_not_there_is_told(place: Place, client: Client, action: str) -> None:
    words = {"send": ["hello"], "receive": ["1"], "browse": []}[action]
    assert "CF-BUS-030" in client.run(place.plain, "alice", action, "elsewhere", *words).refusal


def test_each_message_without_a_link_of_its_own_is_checked(place: Place, client: Client) -> None:
    refusal = client.run(place.plain, "bob", "relay", "private", "hello").refusal
    # Some tell of the rejection, but not why.
    assert "CF-BUS-020" in refusal or client.name in ("cpp", "proton-blocking")


@pytest.mark.parametrize(
    ("user", "password", "words", "error"),
    [
        ("alice", "wrong", ("send", "private", "x"), "JMSSecuritySaslException"),  # one of the others
        ("mallory", None, ("send", "private", "x"), "JMSSecurityException"),
        ("bob", None, ("send", "private", "x"), "JMSSecurityException"),
        ("bob", None, ("relay", "private", "x"), "JMSSecurityException"),
        ("alice", None, ("receive", "private", "1"), "JMSSecurityException"),
        ("bob", None, ("browse", "private"), "JMSSecurityException"),
        ("alice", None, ("send", "elsewhere", "x"), "InvalidDestinationException"),
        ("alice", None, ("receive", "elsewhere", "1"), "InvalidDestinationException"),
        ("alice", None, ("relay", "elsewhere", "x"), "InvalidDestinationException"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_jms_makes_its_own_errors_of_what_it_is_told(
    place: Place, clients: dict[str, Client], user: str, password: str | None, words: tuple[str, ...], error: str
) -> None:
    refusal = built("jms", clients).run(place.plain, user, *words, password=password).refusal
    assert refusal.startswith(f"refused {error}: ")


def test_whoever_may_not_make_temporary_queues_of_a_prefix_hears_so(
    place: Place, clients: dict[str, Client], queue: str
) -> None:
    desk = built("jms", clients).told(WIRE_PREFIX="desk")
    for action in ("request", "request-by-topic"):
        refusal = desk.run(place.plain, "carol", action, queue, "anybody?").refusal
        assert refusal.startswith("refused JMSSecurityException")
        assert "CF-BUS-122" in refusal


def test_whoever_does_not_wait_hears_of_each_message_why_it_is_refused(
    place: Place, clients: dict[str, Client]
) -> None:
    said = built("jms", clients).run(place.plain, "bob", "complete", "private", "one", "two").succeeded().said
    # It has the listener called on a thread of its own, which may be later than what it says on the main one.
    refusals = [line for line in said if line != "closed"]
    assert [line.split(":")[:2] for line in refusals] == [
        [f"failed {text}", " JMSSecurityException"] for text in ("one", "two")
    ]
    assert all("CF-BUS-020" in line for line in refusals)


def test_a_selector_that_is_none_is_told(place: Place, client: Client, queue: str) -> None:
    refusal = client.run(place.plain, "alice", "browse", queue, "colour === 'red'").refusal
    assert "CF-BUS-170" in refusal or client.name == "jms"  # which looks at it itself
