"""POOL-1, TRUST-1: pooled by the system user, shared by the effective one."""

from __future__ import annotations

from support_signon import (
    ALICE,
    BOB,
    AuthData,
    application,
    call,
    calling,
    container_managed,
    own_user,
    resolver,
    target,
)

from connector.spi import SignOnPlan, Subject


def _trusted(caller: Subject, *, propagate_groups: str = "false") -> SignOnPlan:
    reference = container_managed("TrustedConnectionMapping", alias="trusted", propagate_groups=propagate_groups)
    return resolver(AuthData(trusted="door")).resolve(reference, RESOURCE, None, caller)


RESOURCE = target()


def test_callers_of_a_trusted_connection_are_pooled_together_and_shared_apart() -> None:
    alice, bob = _trusted(ALICE), _trusted(BOB)

    assert alice.partition == bob.partition
    assert alice.sharing_key != bob.sharing_key
    assert alice.user == "door"
    assert alice.effective_user == "alice"


def test_groups_that_are_asserted_belong_to_the_effective_user() -> None:
    promoted = Subject.of_user("alice", "weather", ["clerks", "auditors"])

    as_clerk = _trusted(ALICE, propagate_groups="true")
    as_auditor = _trusted(promoted, propagate_groups="true")

    assert as_clerk.sharing_key != as_auditor.sharing_key
    assert _trusted(ALICE).sharing_key == _trusted(promoted).sharing_key


def test_callers_with_users_of_their_own_are_pooled_apart() -> None:
    one = resolver(None, calling(own_user))

    alice = one.resolve(container_managed("Mapping"), RESOURCE, None, ALICE)
    bob = one.resolve(container_managed("Mapping"), RESOURCE, None, BOB)

    assert alice.partition != bob.partition
    assert alice.sharing_key != bob.sharing_key


def test_what_was_asked_for_parts_the_pool_but_an_empty_request_does_not() -> None:
    one = resolver(AuthData(batch="u"))
    resource = target(component_alias="batch")

    plain, empty, special = (
        one.resolve(application(), resource, request, None) for request in (None, call(), call(schema="x"))
    )

    assert plain.partition == empty.partition
    assert plain.partition != special.partition


def test_a_new_password_of_an_alias_makes_a_new_version_and_no_new_partition() -> None:
    auth_data = AuthData(batch="u")
    one, resource = resolver(auth_data), target(component_alias="batch")
    before = one.resolve(application(), resource, None, None)

    auth_data.put("batch", "u", version=4)
    after = one.resolve(application(), resource, None, None)

    assert after.partition == before.partition
    assert (before.version, after.version) == (3, 4)


def test_the_factory_sees_nothing_of_the_caller_but_the_credential() -> None:
    """A pooled connection must not carry anything of the caller whom it was first opened for."""
    plan = _trusted(ALICE)

    assert plan.subject is not None
    assert plan.subject.principals == ()
    assert len(plan.subject.credentials) == 1
    assert plan.subject.is_read_only
