"""FLOW-3: inbound maps as data, which answer who maps to whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connector.security.inbound_map import ANY_USER, InboundMap, Unmapped

PARTNERS = InboundMap("partners", {"bob": "alice", "eve": "guest", "*": "guest"}, {"buyers": "clients"})

names = st.sampled_from(["a", "b", "c", "d", ANY_USER])


def test_a_user_of_its_own_entry_goes_before_the_asterisk() -> None:
    assert (PARTNERS.user_for("bob"), PARTNERS.user_for("anybody")) == ("alice", "guest")


def test_a_map_without_asterisk_leads_nobody_else_anywhere() -> None:
    assert InboundMap("partners", {"bob": "alice"}).user_for("anybody") is None


def test_it_says_who_maps_to_a_user_of_ours() -> None:
    assert PARTNERS.who_maps_to("guest") == ("*", "eve")
    assert PARTNERS.who_maps_to("alice") == ("bob",)
    assert PARTNERS.who_maps_to("mallory") == ()
    assert PARTNERS.targets() == {"alice": ("bob",), "guest": ("*", "eve")}


def test_a_group_without_an_entry_is_nothing_here() -> None:
    assert (PARTNERS.group_for("buyers"), PARTNERS.group_for("clients")) == ("clients", None)


def test_it_explains_itself() -> None:
    told = PARTNERS.explain("eve", ["buyers", "buyers", "others"])
    assert told.answer == "guest"
    assert [(step.what.rpartition(": ")[2], step.verdict.value) for step in told.steps] == [
        ("user eve", "taken"),
        ("group buyers", "taken"),
        ("group others", "rejected"),
    ]
    assert InboundMap("x").explain("eve").answer == "refused"
    assert InboundMap("x", unmapped=Unmapped.UNAUTHENTICATED).explain("eve").answer == "the unauthenticated caller"


@given(st.dictionaries(names, names), st.lists(names))
def test_who_maps_to_a_user_is_the_inverse_of_whom_a_user_maps_to(users: dict[str, str], asked: list[str]) -> None:
    inbound = InboundMap("partners", users)
    for foreign in asked:
        ours = inbound.user_for(foreign)
        own = foreign if foreign in users and foreign != ANY_USER else ANY_USER
        if ours is None:
            assert own not in users
        else:
            assert own in inbound.who_maps_to(ours)
    assert sorted(user for who in inbound.targets().values() for user in who) == sorted(users)
