"""Profile `mapper`: what a login module does in each phase, and that it tells the truth about what it depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from connector.security.login_chain import run_chain
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.spi import (
    AuthenticationDataCallback,
    ControlFlag,
    Dependency,
    PasswordCallback,
    PasswordCredential,
    Secret,
    Subject,
    UserPrincipal,
)
from connector.testing.contract import Contract
from connector.testing.disclosure import check_password, disclosures
from connector.testing.mapper_backend import MapperBackend, MapperCase, Outcome
from connector.testing.mapper_bench import (
    MapperLogin,
    other_caller,
    other_credentials,
    other_data,
    other_groups,
    other_request,
)
from connector.testing.requirement import requirement

_CHANGES: dict[Dependency, Callable[[MapperCase], MapperCase]] = {
    Dependency.CALLER: other_caller,
    Dependency.GROUPS: other_groups,
    Dependency.CREDENTIALS: other_credentials,
    Dependency.REQUEST: other_request,
}


class MapperContract(Contract):
    """Nothing before commit, nothing after abort, and `depends_on` is honest; supply the fixture `connector_mapper`."""

    kind: ClassVar[str] = "mapper"

    @pytest.fixture
    def backend(self, connector_mapper: MapperBackend) -> MapperBackend:
        """The author's world; refused where its cases would prove nothing."""
        if len(_succeeding(connector_mapper)) < 2:
            raise ValueError("the backend must give two cases or more that succeed")
        for entry in connector_mapper.aliases:
            check_password(entry.password)
        return connector_mapper

    @requirement("MAP-001", "It declares `depends_on` as a set of dependencies, on the class.")
    def test_it_declares_what_it_depends_on(self, backend: MapperBackend) -> None:
        declared = backend.module.depends_on
        assert isinstance(declared, frozenset)
        assert all(isinstance(each, Dependency) for each in declared)

    @requirement("MAP-004", "What its options leave of it is a part of `depends_on`, and the same each time.")
    def test_its_options_only_narrow_what_it_depends_on(self, backend: MapperBackend) -> None:
        narrow = getattr(backend.module, "dependencies", None)
        if narrow is not None:
            narrowed = narrow(backend.options)
            assert isinstance(narrowed, frozenset)
            assert narrowed <= backend.module.depends_on
            assert narrow(backend.options) == narrowed

    @requirement("MAP-005", "Options that the author gives have no mistakes; a revision can be compared and stays.")
    def test_its_options_have_no_mistakes(self, backend: MapperBackend) -> None:
        entry = ChainEntry("kit", backend.module, ControlFlag.REQUIRED, backend.options)
        assert entry.mistakes() == ()
        if entry.revision is not None:
            assert entry.revision() == entry.revision()
            hash(entry.revision())

    @requirement("MAP-002", "It answers as its author says: True, False for `ignore me`, or LoginFailed.")
    def test_it_answers_as_its_author_says(self, backend: MapperBackend) -> None:
        answers = {case.name: MapperLogin(backend, case).login() for case in backend.cases}
        assert answers == {case.name: case.outcome for case in backend.cases}

    @requirement("MAP-003", "Every phase answers True or False, never nothing.")
    def test_every_phase_answers_a_truth_value(self, backend: MapperBackend) -> None:
        login = MapperLogin(backend, _succeeding(backend)[0])
        phases = (login.module.login, login.module.commit, login.module.logout)
        assert [type(phase()) for phase in phases] == [bool] * 3
        assert type(MapperLogin(backend, _succeeding(backend)[0]).module.abort()) is bool

    @requirement("MAP-010", "Nothing is in the subject before `commit`.")
    def test_nothing_is_in_the_subject_before_commit(self, backend: MapperBackend) -> None:
        for case in backend.cases:
            login = MapperLogin(backend, case)
            login.login()
            assert login.subject.is_empty, case.name

    @requirement("MAP-011", "`commit` after a success puts something into the subject and says True.")
    def test_commit_fills_the_subject(self, backend: MapperBackend) -> None:
        for case in _succeeding(backend):
            login = MapperLogin(backend, case)
            login.login()
            assert login.module.commit() is True
            assert not login.subject.is_empty, case.name

    @requirement("MAP-012", "What it puts in is for the target factory, and for no other.")
    def test_its_credentials_are_for_the_target_factory(self, backend: MapperBackend) -> None:
        for case in _succeeding(backend):
            login = MapperLogin(backend, case)
            login.result()
            owners = [getattr(credential, "factory", None) for credential in login.subject.credentials]
            assert all(owner is login.factory for owner in owners), case.name

    @requirement("MAP-013", "`commit` without a success puts nothing in and says False.")
    def test_commit_without_success_does_nothing(self, backend: MapperBackend) -> None:
        for case in backend.cases:
            login = MapperLogin(backend, case)
            if login.login() is not Outcome.SUCCEEDS:
                assert login.module.commit() is False
                assert login.subject.is_empty, case.name

    @requirement("MAP-014", "`abort` after `login` forgets: a later `commit` puts nothing in.")
    def test_abort_forgets(self, backend: MapperBackend) -> None:
        for case in backend.cases:
            login = MapperLogin(backend, case)
            login.login()
            login.module.abort()
            assert login.module.commit() is False
            assert login.subject.is_empty, case.name

    @requirement("MAP-015", "`abort` without a `login` is harmless.")
    def test_abort_without_a_login_is_harmless(self, backend: MapperBackend) -> None:
        login = MapperLogin(backend, backend.cases[0])
        login.module.abort()
        assert login.subject.is_empty

    @requirement("MAP-016", "`abort` and `logout` after `commit` take out what it put in, and nothing else.")
    def test_abort_and_logout_take_out_its_own(self, backend: MapperBackend) -> None:
        for case in _succeeding(backend):
            for end in ("abort", "logout"):
                foreign = PasswordCredential("kit-other", Secret("kit-other-password"), object())
                shared = Subject([UserPrincipal("kit-other", "kit")], [foreign])
                login = MapperLogin(backend, case, subject=shared)
                login.login()
                login.module.commit()
                getattr(login.module, end)()
                assert [held is foreign for held in shared.credentials] == [True], f"{case.name}: {end}"
                assert shared.principals == (UserPrincipal("kit-other", "kit"),), f"{case.name}: {end}"

    @requirement("MAP-020", "The same inputs have the same outcome.")
    def test_the_same_inputs_have_the_same_outcome(self, backend: MapperBackend) -> None:
        for case in backend.cases:
            assert MapperLogin(backend, case).result() == MapperLogin(backend, case).result(), case.name

    @requirement("MAP-021", "What it does not declare in `depends_on` does not change its outcome.")
    def test_what_is_not_declared_changes_nothing(self, backend: MapperBackend) -> None:
        declared = _declared(backend)
        for case in backend.cases:
            before = MapperLogin(backend, case).result()
            for dependency, change in _CHANGES.items():
                if dependency not in declared:
                    after = MapperLogin(backend, change(case)).result()
                    assert after == before, f"{case.name}: it depends on {dependency.value}"
            if Dependency.ALIAS not in declared:
                changed = other_data(backend.aliases)
                after = MapperLogin(backend, case, aliases=changed).result()
                assert after == before, f"{case.name}: it depends on authentication data"

    @requirement("MAP-022", "It declares an alias, or the password of the call, where it asks for one.")
    def test_it_declares_what_it_asks_for(self, backend: MapperBackend) -> None:
        declared = _declared(backend)
        for case in backend.cases:
            login = MapperLogin(backend, case)
            login.login()
            if Dependency.ALIAS not in declared:
                assert AuthenticationDataCallback not in login.handler.asked, case.name
            if Dependency.REQUEST not in declared:
                assert PasswordCallback not in login.handler.asked, case.name

    @requirement("MAP-023", "Two logins at once don't meet: a module keeps nothing of one for another.")
    def test_two_logins_do_not_meet(self, backend: MapperBackend) -> None:
        cases = _succeeding(backend)[:2]
        alone = [MapperLogin(backend, case).result() for case in cases]
        both = [MapperLogin(backend, case) for case in cases]
        for login in both:
            login.login()
        interleaved = [login.committed() for login in both]
        assert interleaved == alone

    @requirement("MAP-030", "No password is in a text or pickle of the module, nor in what it raises.")
    def test_no_password_is_shown(self, backend: MapperBackend) -> None:
        for case in backend.cases:
            login = MapperLogin(backend, case)
            login.login()
            for entry in backend.aliases:
                shown = disclosures(login.module, entry.password)
                assert not shown, case.name
                shown = [] if login.failure is None else disclosures(login.failure, entry.password)
                assert not shown, case.name

    @requirement("MAP-032", "What it remarks on its answer is text without a password, and needs no login before.")
    def test_its_remarks_are_text_without_a_password(self, backend: MapperBackend) -> None:
        for case in backend.cases:
            login = MapperLogin(backend, case)
            remarks = getattr(login.module, "remarks", None)
            if remarks is not None:
                assert list(remarks()) == [], case.name
                login.login()
                said = list(remarks())
                assert all(isinstance(text, str) for text in said), case.name
                held = [one.password for one in _passwords(case)]
                secrets = [entry.password for entry in backend.aliases] + held
                assert not any(secret.reveal() in text for secret in secrets for text in said), case.name

    @requirement("MAP-031", "As the only, required module of a chain it lets through what its author says.")
    def test_it_works_in_a_real_chain(self, backend: MapperBackend) -> None:
        entry = ChainEntry("kit", backend.module, ControlFlag.REQUIRED, backend.options)
        for case in _succeeding(backend):
            result = run_chain(LoginConfiguration("Kit", (entry,)), MapperLogin(backend, case).handler)
            assert not result.subject.is_empty, case.name


def _succeeding(backend: MapperBackend) -> list[MapperCase]:
    return [case for case in backend.cases if case.outcome is Outcome.SUCCEEDS]


def _passwords(case: MapperCase) -> tuple[PasswordCredential, ...]:
    return () if case.caller is None else case.caller.credentials_of(PasswordCredential)


def _declared(backend: MapperBackend) -> frozenset[Dependency]:
    """What it may depend on with its options: everything, where it is asked every time anyway."""
    narrow = getattr(backend.module, "dependencies", None)
    declared = backend.module.depends_on if narrow is None else narrow(backend.options)
    return frozenset(Dependency) if not declared or Dependency.TIME in declared else declared
