"""FLOW-3: who a work runs as, from what its security context said."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support_inflow_oracle import GROUPS, MAPS, REALM, TRUSTED, USERS, Said, expected
from support_work import MARKER, UNDECIDABLE, FakeIdentity, SaidContext

from connector.errors import RegistryUnavailable, SubjectRejected
from connector.security.inbound_map import InboundMap, Unmapped
from connector.spi import (
    UNAUTHENTICATED,
    Callback,
    CallbackHandler,
    CallerPrincipalCallback,
    GroupPrincipal,
    GroupPrincipalCallback,
    NameCallback,
    Outcome,
    PasswordCredential,
    PasswordValidationCallback,
    Principal,
    Secret,
    ServerPrincipal,
    Subject,
    UnsupportedCallback,
    UserPrincipal,
)
from connector.work.inflow import decide_inflow
from connector.work.inflow_facts import Heard, InflowDecision, RealmFacts
from connector.work.inflow_handler import InflowCallbackHandler, establish_subject

INBOUND = [InboundMap(realm, users, groups, Unmapped(others)) for realm, (users, groups, others) in MAPS.items()]
IDENTITY = FakeIdentity(USERS, realm=REALM, trusted=TRUSTED, groups=GROUPS, maps=INBOUND)


def establish(say: Any) -> InflowDecision:
    return establish_subject(SaidContext(say), IDENTITY)


def caller_of(decision: InflowDecision) -> Principal | None:
    assert decision.subject is not None
    return decision.subject.caller


# --- any order, any number, against the oracle -------------------------------------------------------------------

# Explaining a failure takes minutes and says nothing that its smallest example does not.
PHASES = [phase for phase in Phase if phase is not Phase.explain]

names = st.sampled_from(["alice", "bob", "carol", "mallory", ""])
realms = st.sampled_from([REALM, "partners", "elsewhere", *MAPS])
some_groups = st.lists(st.sampled_from(["staff", "auditors", "nosuch", "buyers"]), max_size=3).map(tuple)
anything_said = st.one_of(
    st.builds(
        Said,
        st.just("caller"),
        names,
        realms,
        st.sampled_from(["user", "plain", "group", "server"]),
    ),
    st.builds(Said, st.just("caller"), names, st.just(REALM), st.just("text")),
    st.just(Said("caller", None, form="nobody")),
    st.builds(Said, st.just("groups"), groups=some_groups),
    st.builds(Said, st.just("password"), st.sampled_from(["alice", "bob"]), right=st.sampled_from([True, False, None])),
    st.builds(Said, st.just("place"), names, realms, st.just("user")),
    st.just(Said("place", "unauthenticated", "", "nobody")),
    st.builds(Said, st.just("place-group"), st.none(), realms, groups=some_groups),
)


PASSWORDS = {True: Secret(MARKER), False: Secret("wrong"), None: UNDECIDABLE}


def callback_of(said: Said, subject: Subject) -> Callback | None:
    """The callback for it; None for what is placed in the subject (done here)."""
    if said.kind == "caller":
        made: dict[str, Any] = {
            "user": UserPrincipal,
            "plain": Principal,
            "group": GroupPrincipal,
            "server": ServerPrincipal,
            "text": lambda name, _realm: name,
            "nobody": lambda _name, _realm: None,
        }
        return CallerPrincipalCallback(subject, made[said.form](said.name, said.realm))
    if said.kind == "groups":
        return GroupPrincipalCallback(subject, said.groups)
    if said.kind == "password":
        return PasswordValidationCallback(subject, said.name or "", PASSWORDS[said.right])
    if said.kind == "place":
        subject.add_principal(UNAUTHENTICATED if said.form == "nobody" else UserPrincipal(said.name or "", said.realm))
    for group in said.groups:
        subject.add_principal(GroupPrincipal(group, said.realm))
    return None


def is_something(said: Said) -> bool:
    return said.kind != "place-group" or bool(said.groups)


mapped_caller = st.builds(
    Said,
    st.just("caller"),
    st.sampled_from(["bob", "carol", "mallory", "*"]),
    st.sampled_from(sorted(MAPS)),
    st.sampled_from(["user", "plain"]),
)
groups_said = st.builds(Said, st.just("groups"), groups=some_groups)
# Most of what is said at random is refused for a reason that comes early: this is what is about translation.
right_password = st.builds(Said, st.just("password"), st.sampled_from(["alice", "bob"]))
about_translation = st.tuples(
    mapped_caller, st.lists(groups_said, max_size=3), st.lists(right_password, max_size=1)
).map(lambda parts: [parts[0], *parts[1], *parts[2]])


@settings(deadline=None, max_examples=300, phases=PHASES)
@given(st.one_of(st.lists(anything_said.filter(is_something), max_size=5), about_translation), st.data())
def test_any_callbacks_in_any_order_and_any_calls_give_what_the_oracle_says(said: list[Said], data: Any) -> None:
    def say(handler: CallbackHandler, subject: Subject) -> None:
        batch: list[Callback] = []
        for thing in said:
            callback = callback_of(thing, subject)
            if callback is not None:
                batch.append(callback)
            if data.draw(st.booleans()):
                handler.handle(batch)
                batch = []
        handler.handle(batch)

    foretold = expected(said)
    if isinstance(foretold, str):
        with pytest.raises(SubjectRejected) as caught:
            establish(say)
        assert caught.value.code == foretold
        assert MARKER not in f"{caught.value}{caught.value.explanation}{caught.value.details}"
        return
    subject = establish(say).subject
    assert subject is not None
    assert subject.is_read_only
    caller = subject.caller.name if subject.caller and subject.is_authenticated else None
    assert (caller, subject.groups) == foretold


@settings(deadline=None, phases=PHASES)
@given(st.lists(anything_said.filter(is_something), max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_what_is_said_never_matters(said: list[Said], chance: Any) -> None:
    def outcome(things: list[Said]) -> object:
        def say(handler: CallbackHandler, subject: Subject) -> None:
            handler.handle([c for thing in things if (c := callback_of(thing, subject)) is not None])

        try:
            subject = establish(say).subject
        except SubjectRejected as error:
            return error.code
        return subject and (subject.caller, subject.groups)

    shuffled = list(said)
    chance.shuffle(shuffled)
    assert outcome(shuffled) == outcome(said)


# --- single sentences --------------------------------------------------------------------------------------------


def test_a_security_context_that_says_nothing_gives_the_unauthenticated_subject() -> None:
    assert caller_of(establish(lambda _handler, _subject: None)) == UNAUTHENTICATED


def test_an_asserted_caller_has_the_registry_s_and_the_asserted_groups_and_the_private_credentials() -> None:
    credential = PasswordCredential("alice", Secret(MARKER))

    def say(handler: CallbackHandler, subject: Subject) -> None:
        subject.add_credential(credential)
        handler.handle([GroupPrincipalCallback(subject, ["auditors", "nosuch"])])
        handler.handle([CallerPrincipalCallback(subject, "alice")])

    decision = establish(say)
    assert decision.subject is not None
    assert decision.subject.caller == UserPrincipal("alice", REALM)
    assert decision.subject.groups == {"staff", "clerks", "auditors"}
    assert decision.subject.credentials == (credential,)
    assert decision.dropped_groups == ("nosuch",)
    assert "nosuch" in str(decision.explanation())


def test_an_unknown_group_is_dropped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def say(handler: CallbackHandler, subject: Subject) -> None:
        handler.handle([CallerPrincipalCallback(subject, "bob"), GroupPrincipalCallback(subject, ["nosuch"])])

    with caplog.at_level(logging.WARNING, "connector.work"):
        establish(say)
    assert "nosuch" in caplog.text


def test_the_password_is_taken_out_of_the_callback_right_or_wrong() -> None:
    for password, right in ((MARKER, True), ("wrong", False)):
        callback = PasswordValidationCallback(Subject(), "alice", Secret(password))
        InflowCallbackHandler(IDENTITY, callback.subject).handle([callback])
        assert callback.password is None
        assert callback.result is right


def test_a_callback_whose_password_was_taken_out_already_is_a_wrong_password() -> None:
    callback = PasswordValidationCallback(Subject(), "alice", Secret(MARKER))
    handler = InflowCallbackHandler(IDENTITY, callback.subject)
    handler.handle([callback])
    handler.handle([callback])
    assert handler.close().passwords == (("alice", True), ("alice", False))


def test_a_wrong_password_fails_the_set_up_even_where_the_context_ignores_it() -> None:
    def say(handler: CallbackHandler, subject: Subject) -> None:
        handler.handle([PasswordValidationCallback(subject, "alice", Secret("wrong"))])
        handler.handle([CallerPrincipalCallback(subject, "alice")])

    with pytest.raises(SubjectRejected, match="CF-WORK-020") as caught:
        establish(say)
    assert caught.value.__cause__ is not None  # the registry's own error


def test_a_trusted_realm_cannot_put_its_user_into_our_groups() -> None:
    def say(_handler: CallbackHandler, subject: Subject) -> None:
        subject.add_principal(UserPrincipal("eve", "partners"))
        subject.add_principal(GroupPrincipal("staff", REALM))
        subject.add_principal(GroupPrincipal("buyers", "partners"))

    decision = establish(say)
    assert decision.subject is not None
    assert decision.subject.principals == (UserPrincipal("eve", "partners"), GroupPrincipal("buyers", "partners"))
    assert decision.dropped_groups == ("staff@home",)


def test_one_plain_principal_in_the_subject_is_a_ready_subject_of_a_user() -> None:
    decision = decide_inflow(Heard(placed=(Principal("alice", REALM),)), RealmFacts(REALM))
    assert caller_of(decision) == UserPrincipal("alice", REALM)


def test_credentials_without_a_caller_are_not_carried_by_the_unauthenticated_subject() -> None:
    decision = establish(lambda _handler, subject: subject.add_credential(object()))
    assert decision.subject is not None
    assert decision.subject.credentials == ()


def test_the_server_s_identity_cannot_be_asserted_by_a_callback() -> None:
    def say(handler: CallbackHandler, subject: Subject) -> None:
        handler.handle([CallerPrincipalCallback(subject, ServerPrincipal("engine", REALM))])

    with pytest.raises(SubjectRejected, match="CF-WORK-027"):
        establish(say)


def test_nothing_of_a_failed_set_up_stays_in_the_execution_subject() -> None:
    kept: list[Subject] = []

    def say(handler: CallbackHandler, subject: Subject) -> None:
        kept.append(subject)
        subject.add_principal(UserPrincipal("alice", REALM))
        subject.add_credential(object())
        handler.handle([CallerPrincipalCallback(subject, "bob")])

    with pytest.raises(SubjectRejected, match="CF-WORK-021"):
        establish(say)
    assert kept[0].is_empty


def test_an_outbound_callback_is_unsupported_and_those_before_it_count() -> None:
    subject = Subject()
    handler = InflowCallbackHandler(IDENTITY, subject)
    with pytest.raises(UnsupportedCallback, match="NameCallback"):
        handler.handle([CallerPrincipalCallback(subject, "alice"), NameCallback()])
    assert handler.close().callers == ("alice",)


def test_callbacks_after_the_set_up_are_refused() -> None:
    kept: list[CallbackHandler] = []
    establish(lambda handler, _subject: kept.append(handler))
    with pytest.raises(SubjectRejected, match="CF-WORK-030"):
        kept[0].handle([CallerPrincipalCallback(Subject(), "alice")])


def test_a_callback_with_another_subject_counts_for_the_execution_subject_and_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def say(handler: CallbackHandler, _subject: Subject) -> None:
        handler.handle([CallerPrincipalCallback(Subject(), "alice")])

    assert caller_of(establish(say)) == UserPrincipal("alice", REALM)
    assert "another subject" in caplog.text


def test_a_refusal_carries_its_explanation() -> None:
    with pytest.raises(SubjectRejected) as caught:
        establish(lambda handler, subject: handler.handle([CallerPrincipalCallback(subject, "mallory")]))
    assert "unknown user" in str(caught.value.explanation)
    assert "connector users add mallory" in str(caught.value)


# --- callers of a foreign realm, translated ------------------------------------------------------------------------


def named(name: str, realm: str, *groups: str) -> Any:
    """A context that names a caller of a foreign realm, with groups."""

    def say(handler: CallbackHandler, subject: Subject) -> None:
        handler.handle([GroupPrincipalCallback(subject, groups)])
        handler.handle([CallerPrincipalCallback(subject, UserPrincipal(name, realm))])

    return say


def test_a_mapped_caller_is_the_user_here_with_its_groups_and_the_mapped_ones() -> None:
    decision = establish(named("bob", "mapped", "buyers", "buyers", "staff", "unheard-of"))
    assert decision.subject is not None
    assert decision.subject.caller == UserPrincipal("alice", REALM)
    assert decision.subject.groups == {"staff", "clerks", "auditors"}
    assert decision.subject.is_read_only
    assert decision.dropped_groups == ("staff", "unheard-of")  # one leads to no group of ours, one to nothing


def test_a_foreign_group_counts_by_its_entry_and_never_by_its_name() -> None:
    decision = establish(named("bob", "open", "staff"))
    assert decision.subject is not None
    assert decision.subject.groups == frozenset()


def test_everybody_else_is_who_the_asterisk_says() -> None:
    assert caller_of(establish(named("bob", "open"))) == UserPrincipal("bob", REALM)
    assert caller_of(establish(named("anybody", "open"))) == UserPrincipal("carol", REALM)
    assert caller_of(establish(named("*", "open"))) == UserPrincipal("carol", REALM)


def test_an_unmapped_caller_is_refused_and_it_is_said_where_the_entry_belongs() -> None:
    with pytest.raises(SubjectRejected, match="CF-WORK-033") as caught:
        establish(named("eve", "mapped"))
    assert "[realms.home.inbound_maps.mapped.users]" in str(caught.value)
    assert "no entry fits" in str(caught.value.explanation)


def test_an_unmapped_caller_is_nobody_where_the_map_says_so_which_is_logged_and_audited(
    caplog: pytest.LogCaptureFixture,
) -> None:
    identity = FakeIdentity(USERS, realm=REALM, groups=GROUPS, maps=INBOUND)
    decision = establish_subject(SaidContext(named("eve", "lax", "staff")), identity)
    assert caller_of(decision) == UNAUTHENTICATED
    assert decision.downgraded
    assert "eve@lax" in caplog.text
    (event,) = identity.audit.events
    assert (event.who, event.outcome, event.details["subject"]) == ("eve@lax", Outcome.SUCCESS, "unauthenticated")
    assert "unauthenticated by setting" in event.reason


def test_an_entry_that_leads_to_nobody_refuses() -> None:
    with pytest.raises(SubjectRejected, match="CF-WORK-034"):
        establish(named("carol", "mapped"))


def test_a_translation_is_audited_with_how_it_came_about() -> None:
    identity = FakeIdentity(USERS, realm=REALM, groups=GROUPS, maps=INBOUND)
    establish_subject(SaidContext(named("bob", "mapped", "buyers")), identity)
    (event,) = identity.audit.events
    assert (event.action, event.who, event.resource, event.outcome) == (
        "inflow",
        "bob@mapped",
        "realm home",
        Outcome.SUCCESS,
    )
    assert event.details["subject"] == "alice@home"
    steps = event.details["explanation"]["steps"][0]["steps"]
    assert steps[0]["facts"] == {"map": "mapped", "from": "bob", "entry": "bob", "to": "alice"}
    assert [step["why"] for step in steps[1:]] == ["→ auditors"]


def test_a_caller_who_is_simply_asserted_writes_no_line_of_its_own() -> None:
    identity = FakeIdentity(USERS, realm=REALM, groups=GROUPS)
    establish_subject(SaidContext(lambda h, s: h.handle([CallerPrincipalCallback(s, "alice")])), identity)
    assert identity.audit.events == ()


def test_a_refusal_is_audited_as_a_denial() -> None:
    identity = FakeIdentity(USERS, realm=REALM, groups=GROUPS)
    with pytest.raises(SubjectRejected):
        establish_subject(SaidContext(named("eve", "elsewhere")), identity)
    (event,) = identity.audit.events
    assert (event.who, event.outcome, event.reason) == ("eve@elsewhere", Outcome.DENIED, "CF-WORK-028")


def test_no_password_is_validated_for_a_caller_who_is_translated() -> None:
    def say(handler: CallbackHandler, subject: Subject) -> None:
        handler.handle([PasswordValidationCallback(subject, "bob", Secret(MARKER))])
        handler.handle([CallerPrincipalCallback(subject, UserPrincipal("bob", "mapped"))])

    with pytest.raises(SubjectRejected, match="CF-WORK-032"):
        establish(say)


def test_the_foreign_caller_s_credentials_do_not_go_over_to_whom_it_is_translated() -> None:
    def say(handler: CallbackHandler, subject: Subject) -> None:
        subject.add_credential(PasswordCredential("bob", Secret(MARKER)))
        handler.handle([CallerPrincipalCallback(subject, UserPrincipal("bob", "mapped"))])

    decision = establish(say)
    assert decision.subject is not None
    assert decision.subject.credentials == ()


def test_a_map_makes_no_ready_subject_of_its_realm_trusted() -> None:
    with pytest.raises(SubjectRejected, match="CF-WORK-023"):
        establish(lambda _handler, subject: subject.add_principal(UserPrincipal("bob", "mapped")))


# --- the short way of a known caller, of whom nothing else is said ---------------------------------------------------


def test_the_groups_of_a_caller_are_those_of_now() -> None:
    identity = FakeIdentity({"alice": {"staff"}}, realm=REALM)
    context = SaidContext(lambda h, s: h.handle([CallerPrincipalCallback(s, "alice")]))
    before = establish_subject(context, identity).subject
    identity._users["alice"] = frozenset({"buyers"})
    after = establish_subject(context, identity).subject
    del identity._users["alice"]
    assert before is not None
    assert after is not None
    assert before.groups == {"staff"}
    assert after.groups == {"buyers"}
    with pytest.raises(SubjectRejected, match="CF-WORK-029"):
        establish_subject(context, identity)


@pytest.mark.parametrize("caller", ["carol", UserPrincipal("carol", REALM)])
def test_a_user_in_no_group_is_known_all_the_same(caller: Any) -> None:
    identity = FakeIdentity({"carol": ()}, realm=REALM)
    context = SaidContext(lambda h, s: h.handle([CallerPrincipalCallback(s, caller)]))
    decision = establish_subject(context, identity)
    assert decision.subject is not None
    assert (decision.rule, str(decision.subject.caller), decision.subject.groups) == (
        "caller asserted",
        f"carol@{REALM}",
        frozenset(),
    )


def test_credentials_of_the_context_belong_to_its_own_work_only() -> None:
    identity = FakeIdentity({"alice": {"staff"}}, realm=REALM)
    token = object()

    def with_credential(handler: CallbackHandler, subject: Subject) -> None:
        subject.add_credential(token)
        handler.handle([CallerPrincipalCallback(subject, "alice")])

    first = establish_subject(SaidContext(with_credential), identity).subject
    plain = SaidContext(lambda h, s: h.handle([CallerPrincipalCallback(s, "alice")]))
    second = establish_subject(plain, identity).subject
    assert first is not None
    assert second is not None
    assert (first.credentials, second.credentials) == ((token,), ())


# --- a registry that is away ---------------------------------------------------------------------------------------


def test_a_password_that_nobody_could_check_is_no_wrong_one_and_can_be_tried_again() -> None:
    identity = FakeIdentity(USERS, realm=REALM, groups=GROUPS)

    def say(handler: CallbackHandler, subject: Subject) -> None:
        callback = PasswordValidationCallback(subject, "alice", UNDECIDABLE)
        handler.handle([callback, CallerPrincipalCallback(subject, "alice")])
        assert callback.password is None
        assert not callback.result

    with pytest.raises(SubjectRejected, match="CF-WORK-031") as caught:
        establish_subject(SaidContext(say), identity)
    assert caught.value.retryable
    assert isinstance(caught.value.__cause__, RegistryUnavailable)
    assert [event.outcome for event in identity.audit.events] == [Outcome.FAILURE]


def test_a_wrong_password_stays_wrong_though_another_one_could_not_be_checked() -> None:
    def say(handler: CallbackHandler, subject: Subject) -> None:
        handler.handle([PasswordValidationCallback(subject, "alice", UNDECIDABLE)])
        handler.handle([PasswordValidationCallback(subject, "alice", Secret("wrong"))])

    with pytest.raises(SubjectRejected, match="CF-WORK-020") as caught:
        establish(say)
    assert not caught.value.retryable


def test_a_caller_whom_nobody_can_look_up_is_a_failure_and_no_denial() -> None:
    identity = FakeIdentity(USERS, realm=REALM, groups=GROUPS)
    identity.away = True
    with pytest.raises(RegistryUnavailable):
        establish_subject(SaidContext(lambda h, s: h.handle([CallerPrincipalCallback(s, "alice")])), identity)
    assert [(event.outcome, event.reason) for event in identity.audit.events] == [(Outcome.FAILURE, "CF-TEST-107")]


# --- in which realm it is decided ----------------------------------------------------------------------------------


def test_a_context_that_names_a_realm_of_the_container_is_decided_there() -> None:
    partners = FakeIdentity({"alice": {"buyers"}}, realm="partners")
    home = FakeIdentity(USERS, realm=REALM, siblings=[partners])
    context = SaidContext(lambda h, s: h.handle([CallerPrincipalCallback(s, "alice")]))
    context.realm = "partners"
    subject = establish_subject(context, home).subject
    assert subject is not None
    assert subject.caller == UserPrincipal("alice", "partners")
    assert subject.groups == {"buyers"}


def test_a_context_that_names_another_realm_is_refused_before_it_can_say_anything() -> None:
    context = SaidContext(lambda _h, _s: pytest.fail("it was asked"))
    context.realm = "elsewhere"
    identity = FakeIdentity(USERS, realm=REALM)
    with pytest.raises(SubjectRejected, match="CF-WORK-035"):
        establish_subject(context, identity)
    assert [event.outcome for event in identity.audit.events] == [Outcome.DENIED]
