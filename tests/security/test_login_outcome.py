"""The outcome of a chain as a pure function: the published tables, and every stack up to three modules (SIGN-4)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_login_oracle import expected
from support_security import RESULTS

from connector.security.login_outcome import ChainOutcome, ModuleResult, PhaseState, chain_outcome
from connector.spi import ControlFlag

FLAGS = [flag.value for flag in ControlFlag]


def outcome(flags: list[str], logins: str, commits: str | None = None) -> ChainOutcome:
    return chain_outcome(
        [ControlFlag(flag) for flag in flags],
        [RESULTS[letter] for letter in logins],
        None if commits is None else [RESULTS[letter] for letter in commits],
    )


def short(flags: list[str], logins: str) -> str:
    """An outcome as connectors.md 2.16 writes it."""
    found = outcome(flags, logins)
    star = "*" if len(found.login_asked) < len(flags) else ""
    if found.passed:
        return "OK" + star
    return f"({'ign' if found.blamed is None else f'm{found.blamed + 1}'}){star}"


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize(("login", "result"), [("P", "OK"), ("F", "(m1)"), ("I", "(ign)")])
def test_one_module_decides_alone_whatever_its_flag(flag: str, login: str, result: str) -> None:
    assert short([flag], login) == result


PAIRS = ["PP", "PF", "PI", "FP", "FF", "FI", "IP", "IF", "II"]
TWO_MODULES = """
required   required   | OK  (m2) OK  (m1)  (m1)  (m1)  OK (m2) (ign)
required   requisite  | OK  (m2) OK  (m1)  (m1)  (m1)  OK (m2) (ign)
required   sufficient | OK  OK   OK  (m1)  (m1)  (m1)  OK (m2) (ign)
required   optional   | OK  OK   OK  (m1)  (m1)  (m1)  OK (m2) (ign)
requisite  required   | OK  (m2) OK  (m1)* (m1)* (m1)* OK (m2) (ign)
requisite  requisite  | OK  (m2) OK  (m1)* (m1)* (m1)* OK (m2) (ign)
requisite  sufficient | OK  OK   OK  (m1)* (m1)* (m1)* OK (m2) (ign)
requisite  optional   | OK  OK   OK  (m1)* (m1)* (m1)* OK (m2) (ign)
sufficient required   | OK* OK*  OK* OK    (m2)  (m1)  OK (m2) (ign)
sufficient requisite  | OK* OK*  OK* OK    (m2)  (m1)  OK (m2) (ign)
sufficient sufficient | OK* OK*  OK* OK    (m1)  (m1)  OK (m2) (ign)
sufficient optional   | OK* OK*  OK* OK    (m1)  (m1)  OK (m2) (ign)
optional   required   | OK  (m2) OK  OK    (m2)  (m1)  OK (m2) (ign)
optional   requisite  | OK  (m2) OK  OK    (m2)  (m1)  OK (m2) (ign)
optional   sufficient | OK  OK   OK  OK    (m1)  (m1)  OK (m2) (ign)
optional   optional   | OK  OK   OK  OK    (m1)  (m1)  OK (m2) (ign)
"""


@pytest.mark.parametrize("row", TWO_MODULES.strip().splitlines())
def test_two_modules_come_out_as_the_table_says(row: str) -> None:
    flags, results = (part.split() for part in row.split("|"))
    assert [short(flags, pair) for pair in PAIRS] == results


FOUR = ["required", "sufficient", "requisite", "optional"]


@pytest.mark.parametrize(
    ("logins", "passed"),
    [
        # the guide's own table, attempts 1 to 8; where it says that a value doesn't matter both are tried
        *((f"PP{m3}{m4}", True) for m3 in "PFI" for m4 in "PFI"),
        ("PFPP", True),
        ("PFPF", True),
        *((f"PFF{m4}", False) for m4 in "PFI"),
        *((f"FP{m3}{m4}", False) for m3 in "PFI" for m4 in "PFI"),
        ("FFPP", False),
        ("FFPF", False),
        *((f"FFF{m4}", False) for m4 in "PFI"),
    ],
)
def test_the_four_module_stack_of_the_guide(logins: str, passed: bool) -> None:
    assert outcome(FOUR, logins).passed is passed


@pytest.mark.parametrize(
    ("logins", "asked", "blamed", "committed"),
    [
        ("PPFF", [0, 1], None, [0, 1]),
        ("PFPP", [0, 1, 2, 3], None, [0, 1, 2, 3]),
        ("PFPF", [0, 1, 2, 3], None, [0, 1, 2, 3]),
        ("PFFP", [0, 1, 2], 2, []),
        ("FPPP", [0, 1, 2, 3], 0, []),
        ("FFPP", [0, 1, 2, 3], 0, []),
        ("FPFP", [0, 1, 2], 0, []),
        ("FFFP", [0, 1, 2], 0, []),
    ],
)
def test_who_is_asked_blamed_and_committed_in_the_four_module_stack(
    logins: str, asked: list[int], blamed: int | None, committed: list[int]
) -> None:
    found = outcome(FOUR, logins)
    assert (list(found.login_asked), found.blamed, list(found.commit_asked)) == (asked, blamed, committed)


def test_a_required_failure_outranks_an_earlier_optional_one() -> None:
    assert outcome(["optional", "required"], "FF").blamed == 1


def test_a_sufficient_commit_stops_the_commits_after_it() -> None:
    found = outcome(["sufficient", "required"], "IP", "PF")
    assert found.passed
    assert found.commit_asked == (0,)


def test_a_chain_in_which_nobody_commits_fails() -> None:
    found = outcome(["required", "optional"], "PP", "II")
    assert (found.passed, found.blamed, found.abort_asked) == (False, None, (0, 1))


def test_abort_is_asked_of_all_modules_or_of_none() -> None:
    assert outcome(["requisite", "required"], "FP").abort_asked == (0, 1)
    assert outcome(["required", "required"], "PP").abort_asked == ()


def test_an_empty_stack_fails_as_if_all_were_ignored() -> None:
    found = chain_outcome([], [])
    assert (found.passed, found.blamed) == (False, None)


def test_a_result_too_few_is_an_error_of_the_programmer() -> None:
    with pytest.raises(ValueError):
        outcome(["sufficient", "required"], "P")


def test_a_phase_that_has_not_begun_has_not_passed() -> None:
    assert not PhaseState().passed


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_stack_agrees_with_the_oracle(size: int) -> None:
    for flags in itertools.product(FLAGS, repeat=size):
        for logins in itertools.product("PFI", repeat=size):
            for commits in itertools.product("PFI", repeat=size):
                wanted = expected(list(flags), "".join(logins), "".join(commits))
                found = outcome(list(flags), "".join(logins), "".join(commits))
                got = (found.passed, found.blamed, list(found.login_asked), list(found.commit_asked))
                assert got == wanted, (flags, logins, commits)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(FLAGS), st.sampled_from("PFI"), st.sampled_from("PFI")), max_size=8))
def test_longer_stacks_agree_with_the_oracle(stack: list[tuple[str, str, str]]) -> None:
    flags = [flag for flag, _, _ in stack]
    logins, commits = "".join(login for _, login, _ in stack), "".join(commit for _, _, commit in stack)
    found = outcome(flags, logins, commits)
    assert (found.passed, found.blamed, list(found.login_asked), list(found.commit_asked)) == expected(
        flags, logins, commits
    )


def test_an_ignoring_module_changes_nothing() -> None:
    state = PhaseState(succeeded=True)
    for flag in ControlFlag:
        assert state.after(0, flag, ModuleResult.IGNORED) is state
