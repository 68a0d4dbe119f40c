"""One alias, two resources, a real PostgreSQL: what a rotation does, and what a wrong one does not (AUTHD-3)."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
from sqlalchemy import text
from support_pool import until

from benchmarks.rotated_profile import ALIAS, RESOURCES, USERS, RotatedProfile, new_password
from benchmarks.rotation import POOL, demonstrate
from connector import Container, Secret
from connector.errors import LoginRefused

pytestmark = pytest.mark.postgresql

LEDGER, ARCHIVE = RESOURCES
BLUE, GREEN = USERS
MakeRotated = Callable[..., RotatedProfile]
#: No second login by itself while the test lasts.
LONG = {"login_backoff": '"1h"', "login_backoff_max": '"1h"'}


def ask(container: Container, resource: str = LEDGER) -> str:
    """Who the database takes a request for."""
    with container.lookup(resource).get_connection() as connection:
        user: str = connection.execute(text("SELECT current_user")).scalar_one()
    return user


def versions(container: Container, resource: str = LEDGER) -> list[int]:
    return [line.version for line in container.pool(resource).contents()]


@contextmanager
def several(container: Container, count: int, resource: str = LEDGER) -> Iterator[None]:
    """So many connections are lent meanwhile, and free afterwards."""
    with ExitStack() as leases:
        for _ in range(count):
            leases.enter_context(container.lookup(resource).get_connection())
        yield


class Logins:
    """What the server has logged since."""

    def __init__(self, profile: RotatedProfile) -> None:
        self._log = profile.server.log
        self._from = len(self._log())

    @property
    def refused(self) -> int:
        return self._log()[self._from :].count("FATAL:  password authentication failed")

    def accepted(self, user: str) -> int:
        return self._log()[self._from :].count(f"connection authorized: user={user}")


def mistype(profile: RotatedProfile, container: Container) -> None:
    profile.set_in_store(profile.user, Secret("mistyped by the operator"))
    assert container.update_auth_data() == {ALIAS}


def test_all_resources_of_an_alias_see_a_change_at_once(make_rotated: MakeRotated) -> None:
    profile = make_rotated()
    with profile.open() as container:
        assert {ask(container, name) for name in RESOURCES} == {BLUE}
        profile.set_in_database(GREEN, fresh := new_password())
        profile.set_in_store(GREEN, fresh)
        container.update_auth_data()
        assert {ask(container, name) for name in RESOURCES} == {GREEN}
        assert [versions(container, name) for name in RESOURCES] == [[2], [2]]


def test_user_and_password_changed_together_are_never_mixed(make_rotated: MakeRotated) -> None:
    profile = make_rotated(max_size="3")
    passwords = {user: new_password() for user in USERS}
    for user, password in passwords.items():
        profile.set_in_database(user, password)
    logins = Logins(profile)
    profile.set_in_store(BLUE, passwords[BLUE])
    with profile.open() as container:
        stop = threading.Event()
        failures: list[Exception] = []

        def work(resource: str) -> None:
            while not stop.is_set():
                try:
                    ask(container, resource)
                except Exception as error:
                    failures.append(error)
                    return

        threads = [threading.Thread(target=work, args=(name,)) for name in RESOURCES * 2]
        for thread in threads:
            thread.start()
        for number in range(20):
            user = USERS[(number + 1) % 2]
            profile.set_in_store(user, passwords[user])
            container.update_auth_data()
            assert ask(container) == user
        stop.set()
        for thread in threads:
            thread.join()

    assert failures == []
    assert logins.refused == 0  # one user's name with the other's password would have been
    assert min(logins.accepted(user) for user in USERS) >= 10


def test_a_mistyped_password_interrupts_nobody_and_is_tried_once_by_each_pool(make_rotated: MakeRotated) -> None:
    profile = make_rotated(**LONG)
    with profile.open() as container:
        for name in RESOURCES:
            with several(container, 3, name):
                pass
        logins = Logins(profile)
        mistype(profile, container)

        assert {ask(container, name) for _ in range(50) for name in RESOURCES} == {BLUE}
        with several(container, 3):  # all of those that there are, at once
            pass

        figures = [container.pool(name).statistics() for name in RESOURCES]
        assert logins.refused == 2
        assert [(one.failed_logins, one.size, one.destroyed) for one in figures] == [(1, 3, 0), (1, 3, 0)]


def test_a_mistyped_password_is_in_the_log_the_audit_log_check_and_status(
    make_rotated: MakeRotated, caplog: pytest.LogCaptureFixture
) -> None:
    profile = make_rotated(**LONG)
    with profile.open() as container:
        ask(container)
        assert [finding for finding in container.findings() if finding.code == "CF-CTR-042"] == []
        mistype(profile, container)
        with caplog.at_level(logging.WARNING, "connector.pool"):
            ask(container)

        [record] = [one for one in caplog.records if one.name == "connector.pool"]
        assert f"{LEDGER} refused the credential of {BLUE} (version 2)" in record.getMessage()
        [event] = [line for line in profile.audit_log.read_text().splitlines() if '"CF-SQL-011"' in line]
        for said in ('"connect"', LEDGER, '"failure"', '"decision"', "serve on", BLUE, f'"alias": "{ALIAS}"'):
            assert said in event
        [finding] = [finding for finding in container.findings() if finding.code == "CF-CTR-042"]
        assert (finding.severity, finding.place) == ("warning", f'resources."{LEDGER}"')
        [shown] = container.status()["resources"][LEDGER]["refused_logins"]
        assert shown == {"alias": ALIAS, "user": BLUE, "version": 2, "failures": 1}
        for place in (record.getMessage(), profile.audit_log.read_text(), finding.text, str(container.status())):
            assert "mistyped by the operator" not in place

        profile.set_in_store(BLUE, good := new_password())
        profile.set_in_database(BLUE, good)
        container.update_auth_data()
        assert [finding for finding in container.findings() if finding.code == "CF-CTR-042"] == []
        assert "refused_logins" not in container.status()["resources"][LEDGER]


def test_a_corrected_password_passes_at_once_whatever_the_back_off(make_rotated: MakeRotated) -> None:
    profile = make_rotated(**LONG)
    good = profile.password
    with profile.open() as container:
        ask(container)
        mistype(profile, container)
        ask(container)
        profile.set_in_store(BLUE, good)
        container.update_auth_data()
        ask(container)
        assert versions(container) == [3]
        assert container.pool(LEDGER).statistics().failed_logins == 1


def test_where_no_connection_is_left_each_is_refused_and_postgresql_sees_one_login(make_rotated: MakeRotated) -> None:
    profile = make_rotated(**LONG)
    profile.set_in_store(BLUE, Secret("mistyped by the operator"))
    logins = Logins(profile)
    with profile.open() as container:
        for _ in range(20):
            with pytest.raises(LoginRefused, match="CF-SQL-011"):
                ask(container)
        assert container.pool(LEDGER).statistics().spared_logins == 19
    assert logins.refused == 1
    assert profile.audit_log.read_text().count('"CF-SQL-011"') == 20  # whoever asked was told, and recorded


def test_postgresql_sees_one_login_for_each_back_off(make_rotated: MakeRotated) -> None:
    profile = make_rotated(login_backoff='"50ms"', login_backoff_max='"50ms"')
    with profile.open() as container:
        ask(container)
        logins = Logins(profile)
        began = time.monotonic()
        mistype(profile, container)
        until(lambda: ask(container) and container.pool(LEDGER).statistics().failed_logins >= 5)
        lasted = time.monotonic() - began
        assert 5 <= logins.refused <= lasted / 0.05 + 1
        assert container.pool(LEDGER).statistics().destroyed == 0


def test_the_password_may_be_changed_in_the_store_first(make_rotated: MakeRotated) -> None:
    profile = make_rotated(login_backoff='"1ms"', login_backoff_max='"1ms"')
    with profile.open() as container:
        ask(container)
        profile.set_in_store(BLUE, fresh := new_password())
        container.update_auth_data()
        assert ask(container) == BLUE
        assert versions(container) == [1]
        profile.set_in_database(BLUE, fresh)
        until(lambda: ask(container) and versions(container) == [2])  # at the first probe after that


def test_the_password_may_be_changed_in_the_database_first(make_rotated: MakeRotated) -> None:
    profile = make_rotated(**LONG)
    with profile.open() as container:
        ask(container)
        profile.set_in_database(BLUE, fresh := new_password())
        with several(container, 1):
            with pytest.raises(LoginRefused):  # this thread has all that there is: nobody could give one back
                ask(container)
            profile.set_in_store(BLUE, fresh)
            container.update_auth_data()
            assert ask(container) == BLUE  # another version is another matter: no back-off
            assert sorted(versions(container)) == [1, 2]
        assert versions(container) == [2]  # the superseded one went when it came back


def test_a_connection_test_completes_a_rotation(make_rotated: MakeRotated) -> None:
    profile = make_rotated(**LONG)
    with profile.open() as container:
        ask(container)
        profile.set_in_store(BLUE, fresh := new_password())
        container.update_auth_data()
        assert ask(container) == BLUE  # by the old connection: PostgreSQL does not know the new password yet
        profile.set_in_database(BLUE, fresh)
        container.test_connection(LEDGER)
        assert versions(container) == []  # proved: the old one went, whatever the back-off
        ask(container)
        assert versions(container) == [2]


def test_with_new_only_superseded_connections_serve_on_beside_new_ones(make_rotated: MakeRotated) -> None:
    profile = make_rotated(retire_policy='"new-only"')
    with profile.open() as container:
        ask(container)
        profile.set_in_database(BLUE, fresh := new_password())
        profile.set_in_store(BLUE, fresh)
        container.update_auth_data()
        with several(container, 2):
            assert sorted(versions(container)) == [1, 2]
        assert sorted(versions(container)) == [1, 2]


def test_with_purge_now_a_change_closes_free_connections_before_anything_is_tried(make_rotated: MakeRotated) -> None:
    profile = make_rotated(retire_policy='"purge-now"', **LONG)
    with profile.open() as container:
        ask(container)
        mistype(profile, container)
        assert versions(container) == []
        with pytest.raises(LoginRefused):
            ask(container)


def test_a_container_that_starts_again_reads_the_data_again(make_rotated: MakeRotated) -> None:
    profile = make_rotated()
    with profile.open() as container:
        assert ask(container) == BLUE
    profile.set_in_database(GREEN, fresh := new_password())
    profile.set_in_store(GREEN, fresh)
    with profile.open() as container:
        assert ask(container) == GREEN


def test_on_asyncio_a_mistyped_password_interrupts_nobody_and_is_told_as_well(make_rotated: MakeRotated) -> None:
    profile = make_rotated(**LONG)

    async def ask_on_loop() -> str:
        async with container.lookup(LEDGER).get_async_connection() as connection:
            user: str = (await connection.execute(text("SELECT current_user"))).scalar_one()
        return user

    async def main() -> set[str]:
        answers = {await ask_on_loop()}
        mistype(profile, container)
        answers.update([await ask_on_loop() for _ in range(10)])
        assert [finding.code for finding in container.findings() if finding.code == "CF-CTR-042"] == ["CF-CTR-042"]
        return answers

    with profile.open() as container:
        logins = Logins(profile)
        assert asyncio.run(main()) == {BLUE}
    assert logins.refused == 1
    assert profile.audit_log.read_text().count('"CF-SQL-011"') == 1


def test_rotations_in_both_orders_under_load_fail_no_request(make_rotated: MakeRotated) -> None:
    """`python -m benchmarks.rotation` in small."""
    outcome = demonstrate(make_rotated(**POOL), requests=3_000, threads=16, rotations=9)

    assert outcome.failures == {}
    assert (outcome.requests >= 3_000, outcome.rotations) == (True, 9)
    assert outcome.opened >= 2 * 9
