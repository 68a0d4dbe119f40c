"""What a chain says about itself: one step for the configuration, one within it for each module (rule 11).

No secret can get in: a report is made of names, flags, results, the texts that `connector.spi.LoginFailed` and the
error catalogue promise to keep clean, and of credentials the names only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from connector.security.login_contribution import Describe, described
from connector.security.login_outcome import ModuleResult
from connector.spi import ControlFlag, Step, Verdict

NOT_CALLED = "not called"


@dataclass(slots=True)
class ModuleRecord:
    """What one module of one login has answered so far. Belongs to one login, and so to one thread.

    Attributes:
        module: Its name.
        flag: Its control flag.
        login: Its result of phase one; None while not called.
        commit: Its result of phase two; None while not called.
        answers: What happened, phase by phase.
        remarks: How it came to its answer, in its own words.
        shared: The names that it has set in the shared state.
        given: What it has put into the subject.
    """

    module: str
    flag: ControlFlag
    login: ModuleResult | None = None
    commit: ModuleResult | None = None
    answers: list[str] = field(default_factory=list)
    remarks: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    given: tuple[object, ...] = ()

    def note(self, phase: str, result: ModuleResult, why: str = "") -> None:
        """Note a phase's result; `why` must be fit to be shown."""
        if phase == "login":
            self.login = result
        else:
            self.commit = result
        self.answers.append(f"{phase} {result.value}" + (f": {why}" if why else ""))


def chain_step(
    configuration: str,
    records: Sequence[ModuleRecord],
    *,
    passed: bool,
    blamed: int | None,
    describe: Describe = described,
) -> Step:
    """The report on a chain that has ended. Pure."""
    if passed:
        why = "passed"
    elif blamed is None:
        why = "failed: all modules ignored the login"
    else:
        why = f"failed by module {records[blamed].module}"
    return Step(
        f"login configuration {configuration}",
        Verdict.TAKEN if passed else Verdict.FAILED,
        why,
        tuple(_module_step(record, passed, position == blamed, describe) for position, record in enumerate(records)),
    )


def _module_step(record: ModuleRecord, passed: bool, blamed: bool, describe: Describe) -> Step:
    if blamed:
        verdict = Verdict.FAILED
    elif record.login is ModuleResult.SUCCESS:
        verdict = Verdict.TAKEN if passed else Verdict.NOTE
    elif record.login is None:
        verdict = Verdict.NOTE
    else:
        verdict = Verdict.REJECTED
    return Step(
        f"module {record.module} ({record.flag.value})",
        verdict,
        ", ".join(record.answers) or NOT_CALLED,
        tuple(_contributions(record, describe)),
        (
            ("module", record.module),
            ("flag", record.flag.value),
            ("login", record.login.value if record.login is not None else NOT_CALLED),
            ("commit", record.commit.value if record.commit is not None else NOT_CALLED),
        ),
    )


def _contributions(record: ModuleRecord, describe: Describe) -> Iterable[Step]:
    for remark in record.remarks:
        yield Step("mapping", Verdict.NOTE, remark)
    if record.shared:
        yield Step("shared state", Verdict.NOTE, f"sets {', '.join(record.shared)}")
    for given in record.given:
        yield Step(f"gives {type(given).__name__}", Verdict.NOTE, describe(given))
