"""The outcome of a login chain: a pure function of control flags and module results (SIGN-4).

Theory of operation
-------------------
A chain is asked in two phases, `login` and then `commit`; each is one walk over the modules in their order and follows
the same rules.  A module's result is SUCCESS (it answered True), IGNORED (False: neither good nor bad, whatever its
flag) or FAILURE (it raised, or could not be made).

=========== ============================ ==================================================
flag        on SUCCESS                   on FAILURE
=========== ============================ ==================================================
REQUIRED    go on                        remember the first such failure, go on, fail at the end
REQUISITE   go on                        fail at once; an *earlier* REQUIRED failure is the one reported
SUFFICIENT  pass at once, unless an      remember the first such failure, go on
            earlier REQUIRED has failed
OPTIONAL    go on                        remember the first such failure (shared with SUFFICIENT), go on
=========== ============================ ==================================================

At the end of the walk: a REQUIRED or REQUISITE failure fails the phase with that error; else any success passes it;
else the first SUFFICIENT or OPTIONAL failure is reported; else all modules were ignored, which is a failure as well.

What follows from using one walk for both phases: a SUFFICIENT module that commits stops the commits of those after it;
a phase in which all commits answer False fails; `commit` may be asked of a module whose `login` was never reached.
If either phase fails, `abort` is asked of *all* modules, also of those never reached, flags and errors disregarded,
and the error of the phase that failed is the chain's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from connector.spi import ControlFlag


class ModuleResult(Enum):
    """What one module answered in one phase."""

    SUCCESS = "succeeded"
    IGNORED = "ignored"
    FAILURE = "failed"


#: What a module's failure means by its flag, for people.
CONSEQUENCE: Mapping[ControlFlag, str] = MappingProxyType(
    {
        ControlFlag.REQUIRED: "it is required, so the login fails, once the others have been asked",
        ControlFlag.REQUISITE: "it is requisite, so the login fails at once",
        ControlFlag.SUFFICIENT: "it is sufficient, so the others are asked and one of them must succeed",
        ControlFlag.OPTIONAL: "it is optional, so the others are asked and one of them must succeed",
    }
)


@dataclass(frozen=True, slots=True)
class PhaseState:
    """How far the walk of one phase has come. Immutable; start with ``PhaseState()``.

    Attributes:
        succeeded: Whether any module has succeeded.
        binding_failure: The module whose failure fails the phase (REQUIRED, or the REQUISITE that ended it), or None.
        lesser_failure: The first SUFFICIENT or OPTIONAL module that failed, or None.
        stopped: Whether the remaining modules are not asked.
    """

    succeeded: bool = False
    binding_failure: int | None = None
    lesser_failure: int | None = None
    stopped: bool = False

    def after(self, module: int, flag: ControlFlag, result: ModuleResult) -> PhaseState:
        """The state once the module at this position has answered. Pure."""
        if result is ModuleResult.SUCCESS:
            enough = flag is ControlFlag.SUFFICIENT and self.binding_failure is None
            return replace(self, succeeded=True, stopped=enough)
        if result is ModuleResult.IGNORED:
            return self
        if flag in (ControlFlag.REQUIRED, ControlFlag.REQUISITE):
            first = module if self.binding_failure is None else self.binding_failure
            return replace(self, binding_failure=first, stopped=flag is ControlFlag.REQUISITE)
        return self if self.lesser_failure is not None else replace(self, lesser_failure=module)

    @property
    def passed(self) -> bool:
        """Whether the phase has passed, if no further module is asked."""
        return self.succeeded and self.binding_failure is None

    @property
    def blamed(self) -> int | None:
        """The module whose error is the phase's; None when it passed, or when all modules were ignored."""
        if self.passed:
            return None
        return self.lesser_failure if self.binding_failure is None else self.binding_failure


@dataclass(frozen=True, slots=True)
class ChainOutcome:
    """What becomes of a whole chain.

    Attributes:
        passed: Whether both phases passed.
        blamed: The position of the module whose error is reported; None when passed or when all were ignored.
        login_asked: The positions of the modules whose `login` is called, in order.
        commit_asked: The positions of the modules whose `commit` is called, in order; empty when phase one failed.
        abort_asked: All positions when either phase failed, else none.
    """

    passed: bool
    blamed: int | None
    login_asked: tuple[int, ...]
    commit_asked: tuple[int, ...]
    abort_asked: tuple[int, ...]


def chain_outcome(
    flags: Sequence[ControlFlag], logins: Sequence[ModuleResult], commits: Sequence[ModuleResult] | None = None
) -> ChainOutcome:
    """The outcome of a chain whose modules would answer like this. Pure.

    Args:
        flags: The control flags in the order of the stack.
        logins: What each module's `login` would answer, if asked.
        commits: What each module's `commit` would answer, if asked; None for well-behaved modules, which commit when
            their login succeeded and else answer False.

    Raises:
        ValueError: The sequences differ in length.
    """
    login, login_asked = _walk(flags, logins)
    if commits is None:
        commits = [
            result if result is ModuleResult.SUCCESS and position in login_asked else ModuleResult.IGNORED
            for position, result in enumerate(logins)
        ]
    everyone = tuple(range(len(flags)))
    if not login.passed:
        return ChainOutcome(login.passed, login.blamed, login_asked, (), everyone)
    commit, commit_asked = _walk(flags, commits)
    return ChainOutcome(
        commit.passed, commit.blamed, login_asked, commit_asked, abort_asked=() if commit.passed else everyone
    )


def _walk(flags: Sequence[ControlFlag], results: Sequence[ModuleResult]) -> tuple[PhaseState, tuple[int, ...]]:
    state, asked = PhaseState(), 0
    for position, (flag, result) in enumerate(zip(flags, results, strict=True)):
        if state.stopped:
            continue  # not `break`: zip checks the lengths only at its end
        state, asked = state.after(position, flag, result), position + 1
    return state, tuple(range(asked))
