"""Login, run-as and admin roles of a container (CONF-4, FLOW-4)."""

from __future__ import annotations

import asyncio
import threading

import pytest
from support_container import ProfileFolder

from connector import capture, current_subject
from connector.container.admin_roles import admin_roles_of
from connector.errors import AuthenticationFailed, ScopeError, SubjectRejected
from connector.spi import GroupPrincipal, Scope, Subject, UserPrincipal

GRANTED = {"administrator": ["user:admin"], "operator": ["group:operators"], "monitor": ["user:carol"]}


def test_a_login_is_in_force_within_its_block_and_nowhere_else(profile: ProfileFolder) -> None:
    with profile.open() as container:
        login = container.login("alice", profile.password)
        assert container.current_subject() is None
        with login as scope:
            assert isinstance(scope, Scope)
            assert str(scope.subject.caller) == "alice@shop"
            assert scope.subject.groups == {"clients", "buyers"}
            seen: list[object] = []
            thread = threading.Thread(target=lambda: seen.append(current_subject()))
            thread.start()
            thread.join()
            assert seen == [None]
        assert container.current_subject() is None


def test_one_login_is_in_force_once_at_a_time(profile: ProfileFolder) -> None:
    with profile.open() as container:
        login = container.login("alice", profile.password)
        with login, container.login("bob", profile.password):
            with pytest.raises(ScopeError, match="CF-CTR-011"), login:
                pass
            assert "bob" in str(container.current_subject())
        with login:
            assert "alice" in str(container.current_subject())


def test_a_nested_login_ends_with_its_own_block(profile: ProfileFolder) -> None:
    with profile.open() as container, container.login("alice", profile.password):
        with container.login("bob", profile.password):
            assert "bob" in str(container.current_subject())
        assert "alice" in str(container.current_subject())


def test_the_caller_is_carried_to_another_thread_on_purpose_only_while_it_lasts(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with container.login("alice", profile.password):
            carried = capture()
            seen: list[str] = []
            thread = threading.Thread(target=carried.run, args=(lambda: seen.append(str(current_subject())),))
            thread.start()
            thread.join()
            assert "alice" in seen[0]
        with pytest.raises(ScopeError):
            carried.run(current_subject)


def test_the_async_login_follows_await_and_a_leftover_task_is_refused(profile: ProfileFolder) -> None:
    async def main() -> tuple[str, BaseException | None]:
        gate = asyncio.Event()

        async def leftover() -> object:
            await gate.wait()
            return current_subject()

        async with container.login_async("alice", profile.password):
            left = asyncio.create_task(leftover())
            inside = str(await asyncio.create_task(asyncio.sleep(0, current_subject())))
        gate.set()
        (outcome,) = await asyncio.gather(left, return_exceptions=True)
        assert current_subject() is None
        return inside, outcome if isinstance(outcome, BaseException) else None

    with profile.open() as container:
        inside, refusal = asyncio.run(main())
    assert "alice" in inside
    assert isinstance(refusal, ScopeError)


def test_a_refused_login_opens_nothing(profile: ProfileFolder) -> None:
    with profile.open() as container:
        with pytest.raises(AuthenticationFailed):
            container.login("alice", "wrong")
        assert container.current_subject() is None


def test_admin_roles_include_one_another_upwards() -> None:
    of = {user: admin_roles_of(Subject.of_user(user, "shop"), GRANTED, "shop", security=True) for user in
          ("admin", "carol", "mallory")}  # fmt: skip
    assert of["admin"] == {"monitor", "operator", "configurator", "administrator"}
    assert of["carol"] == {"monitor"}
    assert of["mallory"] == frozenset()
    in_group = Subject.of_user("oscar", "shop", ["operators"])
    assert admin_roles_of(in_group, GRANTED, "shop", security=True) == {"monitor", "operator"}


def test_a_user_of_the_same_name_in_another_realm_administers_nothing() -> None:
    assert admin_roles_of(Subject.of_user("admin", "elsewhere"), GRANTED, "shop", security=True) == frozenset()
    assert admin_roles_of(Subject.unauthenticated(), GRANTED, "shop", security=True) == frozenset()
    assert admin_roles_of(None, GRANTED, "shop", security=True) == frozenset()


def test_without_administrative_security_everybody_administers() -> None:
    assert "administrator" in admin_roles_of(None, {}, "shop", security=False)


def test_the_container_answers_for_its_own_admins(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert "administrator" in container.admin_roles_of(Subject.of_user("admin", "shop"))
        assert container.admin_roles_of(Subject.of_user("alice", "shop")) == frozenset()


# --- callers whom somebody else has authenticated -----------------------------------------------------------------


def test_a_user_of_the_own_realm_gets_its_groups_and_the_known_ones_that_came_along(profile: ProfileFolder) -> None:
    profile.edit('registry = "file"', 'registry = "file"\ntrusted_inbound = ["shop", "partner"]')
    with profile.open() as container:
        carol = container.establish(UserPrincipal("carol", "shop"), ["buyers", "root"])
        assert str(carol.caller) == "carol@shop"
        assert carol.groups == {"clients", "buyers"}
        with container.run_as(carol):
            assert current_subject() is carol
        # The own realm is asked, also where it is listed as trusted.
        with pytest.raises(SubjectRejected, match="CF-WORK-029"):
            container.establish(UserPrincipal("mallory", "shop"))


def test_a_trusted_realm_is_believed_and_any_other_is_refused(profile: ProfileFolder) -> None:
    profile.edit('registry = "file"', 'registry = "file"\ntrusted_inbound = ["partner"]')
    with profile.open() as container:
        paula = container.establish(UserPrincipal("paula", "partner"), ["buyers"])
        assert paula.principals == (UserPrincipal("paula", "partner"), GroupPrincipal("buyers", "partner"))
        with pytest.raises(SubjectRejected, match="CF-WORK-028"):
            container.establish(UserPrincipal("alice", "elsewhere"), ["buyers"])
        assert container.current_subject() is None
