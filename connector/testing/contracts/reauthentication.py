"""Profile `outbound-security`, second part: a connection that is signed on anew as another user, in place (POOL-5)."""

from __future__ import annotations

from contextlib import suppress

import pytest

from connector.errors import LoginRefused
from connector.spi import Capability, ManagedConnection, ManagedConnectionFactory, PasswordCredential, Subject
from connector.testing.backend import Login, UserName
from connector.testing.bench import AdapterBench
from connector.testing.contracts.adapter import AdapterContract
from connector.testing.contracts.core import DECLINED
from connector.testing.disclosure import disclosures, watched_logs
from connector.testing.plans import subject_of
from connector.testing.requirement import Facet, requirement

_ANEW = (Capability.REAUTHENTICATION, Facet.USERS)


class ReauthenticationContract(AdapterContract):
    """The new user and nothing of the one before; a refusal leaves nobody, since the one before has gone by then."""

    @requirement(
        "OUT-SEC-040",
        "`reauthenticate` makes another user of the connection in place, and a wrong password raises.",
        needs=_ANEW,
    )
    def test_a_connection_can_be_signed_on_anew(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        first, second = bench.logins[:2]
        connection = bench.connect(factory, first)
        connection.reauthenticate(subject_of(second, factory), None)
        assert bench.backend.user_of(connection) == second.user
        connection.cleanup()
        assert bench.backend.user_of(connection) == second.user
        with pytest.raises(LoginRefused):
            connection.reauthenticate(subject_of(bench.backend.wrong_password(), factory), None)

    @requirement(
        "OUT-SEC-041",
        "It goes from one user to the other and back: each time the external system and `describe` name the new one.",
        needs=_ANEW,
    )
    def test_it_goes_from_one_to_the_other_and_back(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        first, second = bench.logins[:2]
        connection = bench.connect(factory, first)
        for login in (second, first, first, second):
            connection.reauthenticate(subject_of(login, factory), None)
            assert connection.describe().user == bench.backend.user_of(connection) == login.user
            connection.cleanup()

    @requirement(
        "OUT-SEC-042",
        "After `reauthenticate` nothing is left of the session of the user before, without a `cleanup` in between.",
        needs=(*_ANEW, Facet.STATE),
    )
    def test_nothing_of_the_session_before_is_left(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        first, second = bench.logins[:2]
        connection = bench.connect(factory, first)
        bench.backend.soil(connection)
        assert bench.backend.is_soiled(connection), "the backend's `soil` leaves nothing that could be taken back"
        connection.reauthenticate(subject_of(second, factory), None)
        assert not bench.backend.is_soiled(connection)

    @requirement(
        "OUT-SEC-043",
        "A refused `reauthenticate` raises LoginRefused, and the connection never works on as the user before.",
        needs=_ANEW,
    )
    def test_after_a_refusal_it_does_not_go_on_as_before(self, bench: AdapterBench) -> None:
        factory = bench.factory()
        wrong = bench.backend.wrong_password()
        before = next(login for login in bench.logins if login.user != wrong.user)
        connection = bench.connect(factory, before)
        with pytest.raises(LoginRefused):
            connection.reauthenticate(subject_of(wrong, factory), None)
        assert _works_as(bench, connection) != before.user
        with suppress(Exception):
            connection.cleanup()
        assert _works_as(bench, connection) != before.user
        connection.destroy()

    @requirement(
        "OUT-SEC-044",
        "That refusal shows the password nowhere: not in its text, pickle or causes, nor in a frame of its traceback.",
        needs=_ANEW,
    )
    def test_its_refusal_shows_no_password(self, bench: AdapterBench) -> None:
        factory, wrong = bench.factory(), bench.backend.wrong_password()
        error = _refusal_of(bench.connect(factory, bench.logins[1]), wrong, factory)
        shown = disclosures(error, wrong.password)
        assert not shown

    @requirement(
        "OUT-SEC-045",
        "With a credential of another factory, or with none, `reauthenticate` declines or signs on as nobody known.",
        needs=_ANEW,
    )
    def test_a_foreign_credential_signs_nobody_on(self, bench: AdapterBench) -> None:
        factory, other = bench.factory(), bench.factory()
        first, foreign = bench.logins[:2]
        held = [
            [PasswordCredential(foreign.user, foreign.password, other)],
            [PasswordCredential(foreign.user, foreign.password)],
            [],
        ]
        for credentials in held:
            connection = bench.connect(factory, first)
            try:
                connection.reauthenticate(Subject(credentials=credentials, read_only=True), None)
            except DECLINED:
                continue
            assert bench.backend.user_of(connection) not in {login.user for login in bench.logins}

    @requirement(
        "OUT-SEC-046",
        "Neither the connection nor a log shows the password that it was signed on anew with, or refused with.",
        needs=_ANEW,
    )
    def test_signing_on_anew_shows_no_password(self, bench: AdapterBench) -> None:
        factory, wrong = bench.factory(), bench.backend.wrong_password()
        first, second = bench.logins[:2]
        connection = bench.connect(factory, first)
        with watched_logs(second.password) as right, watched_logs(wrong.password) as refused:
            connection.reauthenticate(subject_of(second, factory), None)
            shown = disclosures(connection, second.password)
            with pytest.raises(LoginRefused):
                connection.reauthenticate(subject_of(wrong, factory), None)
            shown += disclosures(connection, wrong.password)
        assert (shown, right, refused) == ([], [], [])


def _works_as(bench: AdapterBench, connection: ManagedConnection) -> UserName:
    """Who works on it, if anybody."""
    try:
        return bench.backend.user_of(connection)
    except Exception:
        return None


def _refusal_of(connection: ManagedConnection, wrong: Login, factory: ManagedConnectionFactory) -> BaseException:
    """What signing on anew raises, whatever it is."""
    try:
        connection.reauthenticate(subject_of(wrong, factory), None)
    except Exception as error:
        return error
    pytest.fail("a wrong password was accepted")
