"""Running a chain: who is called when, what is left behind, and what a report tells (SIGN-4, SIGN-7)."""

from __future__ import annotations

import itertools
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_login_oracle import expected
from support_secrets import shows_marker
from support_security import NoCallbacks, ScriptedModule, entry, scripted

from connector.errors import AuthDataError, Reason
from connector.security.login_chain import (
    ChainEntry,
    ChainFailed,
    ChainResult,
    LoginConfiguration,
    run_chain,
    simulate,
)
from connector.security.login_outcome import ModuleResult
from connector.spi import ControlFlag, Dependency, LoginFailed, Secret, Verdict

FLAGS = [flag.value for flag in ControlFlag]
STACKS = st.lists(
    st.tuples(st.sampled_from(FLAGS), st.sampled_from("PFI"), st.sampled_from("PFI")), min_size=1, max_size=3
)
TROUBLE = Reason("CF-LOGIN-900", "the store of this test is torn.", "Mend the test.")


def run(*entries: ChainEntry) -> ChainResult:
    return run_chain(LoginConfiguration("PayrollLogin", entries), NoCallbacks())


def failing(*entries: ChainEntry) -> ChainFailed:
    with pytest.raises(ChainFailed) as caught:
        run(*entries)
    return caught.value


def module(**answers: Callable[[ScriptedModule], Any]) -> Callable[[], ScriptedModule]:
    """A maker of a module some of whose methods are replaced."""

    def make() -> ScriptedModule:
        made = ScriptedModule("odd")
        for name, answer in answers.items():
            setattr(made, name, lambda answer=answer: answer(made))
        return made

    return make


def raising(error: BaseException) -> Callable[[object], Any]:
    def raise_it(_: object) -> Any:
        raise error

    return raise_it


@settings(deadline=None)
@given(STACKS)
def test_a_real_chain_does_what_the_oracle_says(stack: list[tuple[str, str, str]]) -> None:
    flags, logins, commits = ([part[i] for part in stack] for i in range(3))
    wanted = expected(flags, "".join(logins), "".join(commits))
    asked: list[str] = []
    failed: ChainFailed | None = None
    configuration = scripted(flags, "".join(logins), "".join(commits), asked)
    try:
        result = run_chain(configuration, NoCallbacks())
        aborted = []
        assert wanted.passed
        committed = [str(principal) for principal in result.subject.principals]
        assert committed == [f"m{p}@eis" for p in wanted.commit_asked if commits[p] == "P"]
        assert result.subject.is_read_only
    except ChainFailed as caught:
        failed, aborted = caught, [f"m{position}.abort" for position in range(len(flags))]
    if failed is not None:
        assert not wanted.passed
        assert failed.module == (None if wanted.blamed is None else f"m{wanted.blamed}")
        assert wanted.blamed is None or str(failed.error).startswith(f"m{wanted.blamed} refused")
    assert [call for call in asked if call.endswith("abort")] == aborted
    assert [call for call in asked if call.endswith("login")] == [f"m{p}.login" for p in wanted.login_asked]
    assert [call for call in asked if call.endswith("commit")] == [f"m{p}.commit" for p in wanted.commit_asked]


def test_modules_never_reached_are_made_initialised_and_aborted() -> None:
    asked: list[str] = []
    with pytest.raises(ChainFailed):
        run_chain(scripted(["requisite", "required"], "FP", "PP", asked), NoCallbacks())
    assert asked == ["m0.initialize", "m0.login", "m0.abort", "m1.initialize", "m1.abort"]


def test_an_error_in_abort_does_not_replace_the_error_of_the_chain() -> None:
    def login(_: object) -> bool:
        raise LoginFailed("wrong ticket")

    failed = failing(
        entry("first", "required", module(login=login, abort=raising(RuntimeError("abort")))),
        entry("second", "required", lambda: ScriptedModule("second")),
    )
    assert str(failed.error) == "wrong ticket"
    assert failed.module == "first"


def test_nothing_is_left_in_the_subject_of_a_chain_that_failed_at_commit() -> None:
    made: list[ScriptedModule] = []

    def make() -> ScriptedModule:
        made.append(ScriptedModule("filler"))
        return made[-1]

    failing(entry("filler", "required", make), entry("bad", "required", lambda: ScriptedModule("bad", commit="F")))
    assert made[0].subject is not None
    assert made[0].subject.is_empty


def test_a_module_that_fills_the_subject_before_commit_fails() -> None:
    def login(self: ScriptedModule) -> bool:
        assert self.subject is not None
        self.subject.add_credential("early")
        return True

    failed = failing(entry("early", "required", module(login=login)))
    assert "before commit" in str(failed.error)


@pytest.mark.parametrize("answer", [None, 1, "yes"])
def test_an_answer_that_is_neither_true_nor_false_is_a_failure(answer: object) -> None:
    failed = failing(entry("vague", "required", module(login=lambda _: answer)))
    assert type(answer).__name__ in str(failed.error)


def test_a_module_that_cannot_be_imported_fails_and_obeys_its_flag() -> None:
    def make() -> Any:
        raise ImportError("no module named payroll")

    failed = failing(entry("payroll", "required", make), entry("other", "required", lambda: ScriptedModule("other")))
    assert failed.module == "payroll"
    assert "ImportError" in str(failed.error)
    passed = run(entry("payroll", "optional", make), entry("other", "required", lambda: ScriptedModule("other")))
    assert [str(principal) for principal in passed.subject.principals] == ["other@eis"]


def test_modules_share_a_state_and_have_their_own_options() -> None:
    made = [ScriptedModule("a"), ScriptedModule("b")]
    run(
        entry("a", "required", lambda: made[0], {"table": "callers.toml"}),
        entry("b", "required", lambda: made[1], {"alias": "payroll"}),
    )
    assert made[0].shared is made[1].shared
    assert [dict(each.options) for each in made] == [{"table": "callers.toml"}, {"alias": "payroll"}]
    with pytest.raises(TypeError):
        made[0].options["table"] = "other"  # type: ignore[index]  # the point: options are shared by all users


def test_each_login_has_modules_and_state_of_its_own() -> None:
    made: list[ScriptedModule] = []

    def make() -> ScriptedModule:
        made.append(ScriptedModule("m"))
        return made[-1]

    configuration = LoginConfiguration("twice", (entry("m", "required", make),))
    first, second = (run_chain(configuration, NoCallbacks()) for _ in range(2))
    assert first.subject is not second.subject
    assert made[0].shared is not made[1].shared


def test_all_modules_ignoring_is_a_failure_without_a_module_to_blame() -> None:
    failed = failing(entry("a", "required", lambda: ScriptedModule("a", login="I")))
    assert failed.module is None
    assert "PayrollLogin" in str(failed.error)


def test_an_interrupt_is_passed_on_after_every_module_has_forgotten() -> None:
    aborted: list[str] = []

    def abort(_: object) -> bool:
        aborted.append("aborted")
        return True

    with pytest.raises(KeyboardInterrupt):
        run(entry("odd", "optional", module(login=raising(KeyboardInterrupt()), abort=abort)))
    assert aborted == ["aborted"]


def test_an_error_of_the_framework_stays_itself() -> None:
    error = AuthDataError(TROUBLE)
    assert failing(entry("m", "required", module(login=raising(error)))).error is error


@pytest.mark.parametrize("phase", ["initialize", "login", "commit", "abort"])
def test_the_text_of_a_foreign_exception_is_never_shown(phase: str, marker: Secret) -> None:
    def leak(*_: object) -> Any:
        try:
            raise KeyError(marker.reveal())
        except KeyError as inner:
            raise ValueError(f"can't use {marker.reveal()}") from inner

    made = ScriptedModule("leaky", login="F" if phase == "abort" else "P")
    setattr(made, phase, leak)
    failed = failing(entry("leaky", "required", lambda: made, {"password": marker.reveal()}))
    assert not shows_marker(failed)
    assert not shows_marker(failed.error)
    if phase != "abort":
        assert "ValueError at test_login_chain.py:" in str(failed.error)


def test_the_cause_of_a_login_failure_is_not_shown(marker: Secret) -> None:
    def login(_: object) -> bool:
        try:
            raise ValueError(marker.reveal())
        except ValueError as inner:
            raise LoginFailed("the ticket service is away", "Start it.") from inner

    failed = failing(entry("ticket", "required", module(login=login)))
    assert not shows_marker(failed.error)
    assert str(failed.error) == "the ticket service is away"
    assert isinstance(failed.error, LoginFailed)
    assert failed.error.action == "Start it."


def test_options_are_not_in_a_representation(marker: Secret) -> None:
    shown = entry("m", "required", lambda: ScriptedModule("m"), {"password": marker.reveal()})
    assert not shows_marker(LoginConfiguration("c", (shown,)))


def test_a_failed_chain_can_be_pickled_and_printed() -> None:
    failed = failing(entry("a", "required", lambda: ScriptedModule("a", login="F")))
    again = pickle.loads(pickle.dumps(failed))
    assert (str(again), again.module, again.step) == (str(failed), failed.module, failed.step)
    assert "a refused to login" in "".join(traceback.format_exception(failed))


def test_the_report_has_one_step_a_module_with_flag_and_result() -> None:
    step = run(
        entry("a", "optional", lambda: ScriptedModule("a", login="F", commit="I")),
        entry("b", "sufficient", lambda: ScriptedModule("b")),
        entry("c", "required", lambda: ScriptedModule("c")),
    ).step
    assert (step.what, step.verdict) == ("login configuration PayrollLogin", Verdict.TAKEN)
    assert [(inner.what, inner.verdict, inner.why) for inner in step.steps] == [
        ("module a (optional)", Verdict.REJECTED, "login failed: a refused to login, commit ignored"),
        ("module b (sufficient)", Verdict.TAKEN, "login succeeded, commit succeeded"),
        ("module c (required)", Verdict.NOTE, "not called"),
    ]


def test_the_report_of_a_failure_says_who_is_to_blame() -> None:
    step = failing(
        entry("a", "required", lambda: ScriptedModule("a")),
        entry("b", "requisite", lambda: ScriptedModule("b", login="F")),
    ).step
    assert (step.verdict, step.why) == (Verdict.FAILED, "failed by module b")
    assert [inner.verdict for inner in step.steps] == [Verdict.NOTE, Verdict.FAILED]


def test_simulating_makes_no_module_and_agrees_with_the_real_run() -> None:
    def never() -> Any:
        raise AssertionError("made")

    letters = {"P": ModuleResult.SUCCESS, "F": ModuleResult.FAILURE, "I": ModuleResult.IGNORED}
    for flags in itertools.product(FLAGS, repeat=2):
        for logins in itertools.product("PFI", repeat=2):
            configuration = LoginConfiguration("c", tuple(entry(f"m{n}", flag, never) for n, flag in enumerate(flags)))
            found, step = simulate(configuration, [letters[login] for login in logins])
            commits = "".join("P" if login == "P" else "I" for login in logins)
            asked: list[str] = []
            try:
                run_chain(scripted(flags, "".join(logins), commits, asked), NoCallbacks())
                real = True
            except ChainFailed:
                real = False
            assert found.passed is real, (flags, logins)
            assert (step.verdict is Verdict.TAKEN) is real


class Undeclared:
    """A module that says nothing of what it depends on."""


class DependsOnAlias(ScriptedModule):
    depends_on = frozenset({Dependency.ALIAS})


def test_a_chain_depends_on_what_any_of_its_modules_depends_on() -> None:
    configuration = LoginConfiguration(
        "c", (entry("a", "required", lambda: ScriptedModule("a")), entry("b", "required", DependsOnAlias))
    )
    assert configuration.depends_on == {Dependency.CALLER, Dependency.ALIAS}


def broken() -> Any:
    raise ImportError


def declaring(declared: object) -> type:
    return type("Declaring", (), {"depends_on": declared})


@pytest.mark.parametrize(
    "make",
    [Undeclared, broken, declaring(frozenset()), declaring(["caller"]), declaring(frozenset({"caller"}))],
    ids=["nothing", "broken", "empty", "list", "strings"],
)
def test_a_module_that_declares_nothing_usable_is_asked_every_time(make: Callable[[], Any]) -> None:
    configuration = LoginConfiguration("c", (entry("a", "optional", make), entry("b", "required", DependsOnAlias)))
    assert Dependency.TIME in configuration.depends_on
