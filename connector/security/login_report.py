"""What a chain says about itself: one step for the configuration, one within it for each module (rule 11).

No secret can get in: a report is made of names, flags, results and the texts that `connector.spi.LoginFailed` and the
error catalogue promise to keep clean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from connector.security.login_outcome import ModuleResult
from connector.spi import ControlFlag, Step, Verdict


@dataclass(slots=True)
class ModuleRecord:
    """What one module of one login has answered so far. Belongs to one login, and so to one thread.

    Attributes:
        module: Its name.
        flag: Its control flag.
        login: Its result of phase one; None while not reached.
        remarks: What happened, phase by phase.
    """

    module: str
    flag: ControlFlag
    login: ModuleResult | None = None
    remarks: list[str] = field(default_factory=list)

    def note(self, phase: str, result: ModuleResult, why: str = "") -> None:
        """Note a phase's result; `why` must be fit to be shown."""
        if phase == "login":
            self.login = result
        self.remarks.append(f"{phase} {result.value}" + (f": {why}" if why else ""))


def chain_step(configuration: str, records: Sequence[ModuleRecord], *, passed: bool, blamed: int | None) -> Step:
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
        tuple(_module_step(record, passed, position == blamed) for position, record in enumerate(records)),
    )


def _module_step(record: ModuleRecord, passed: bool, blamed: bool) -> Step:
    if blamed:
        verdict = Verdict.FAILED
    elif record.login is ModuleResult.SUCCESS:
        verdict = Verdict.TAKEN if passed else Verdict.NOTE
    elif record.login is None:
        verdict = Verdict.NOTE
    else:
        verdict = Verdict.REJECTED
    why = ", ".join(record.remarks) or "not reached"
    return Step(f"module {record.module} ({record.flag.value})", verdict, why)
