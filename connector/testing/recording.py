"""What happened to each requirement, taken from pytest's reports as they come in.

Facts travel in a report's `user_properties`, as plain values: they survive the way from a worker process.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, final

import pytest

from connector.testing.requirement import Requirement
from connector.testing.subject_under_test import Claims, Identification

_REQUIREMENT = "connector.requirement"
_SUBJECT = "connector.subject"
_NOT_APPLICABLE = "connector.not-applicable"


class Outcome(Enum):
    """What became of one requirement."""

    PASSED = "passed"
    FAILED = "failed"
    DEVIATION = "deviation"  # failed, as its author admits with a reason
    NOT_APPLICABLE = "not applicable"
    SKIPPED = "skipped"


#: Outcomes of tests that did run.
_RAN = frozenset({Outcome.PASSED, Outcome.FAILED, Outcome.DEVIATION})


@dataclass(frozen=True, slots=True)
class Result:
    """One requirement on one subject.

    Attributes:
        test: pytest's node id.
        requirement: Id, sentence and needs, as plain values.
        subject: Name, version, backend and capabilities, as plain values; empty where the backend could not be made.
        outcome: What became of it.
        reason: Why, for everything but passing.
    """

    test: str
    requirement: dict[str, Any]
    subject: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome = Outcome.PASSED
    reason: str = ""


@final
class Recorder:
    """A pytest plugin that remembers one result a test. Used on pytest's own thread.

    Mutable: `_results`, by node id; a test's later phases can only make its result worse.
    """

    def __init__(self) -> None:
        self._results: dict[str, Result] = {}

    @property
    def results(self) -> tuple[Result, ...]:
        """All results so far, sorted by requirement and test."""
        return tuple(sorted(self._results.values(), key=lambda result: (result.requirement["id"], result.test)))

    def ran_in(self, class_id: str) -> set[str]:
        """The ids of the requirements whose tests did run in the class with this node id."""
        return {
            result.requirement["id"]
            for result in self._results.values()
            if result.outcome in _RAN and result.test.startswith(f"{class_id}::")
        }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down one phase of one test."""
        facts = dict(report.user_properties)
        declared = facts.get(_REQUIREMENT)
        if not isinstance(declared, dict):
            return
        subject = facts.get(_SUBJECT)
        outcome, reason = _outcome_of(report, facts)
        known = self._results.get(report.nodeid)
        if known is None:
            known = Result(report.nodeid, declared)
        elif outcome is Outcome.PASSED:  # a later phase that went well says nothing new
            outcome, reason = known.outcome, known.reason
        self._results[report.nodeid] = replace(
            known, subject=subject if isinstance(subject, dict) else {}, outcome=outcome, reason=reason
        )


#: Where the session's recorder is kept.
RECORDER = pytest.StashKey[Recorder]()


def note_requirement(item: pytest.Item, declared: Requirement) -> None:
    """Put what a test checks into its reports."""
    plain = {"id": declared.id, "sentence": declared.sentence, "needs": [need.value for need in declared.needs]}
    item.user_properties.append((_REQUIREMENT, plain))


def note_subject(item: pytest.Item, who: Identification, claims: Claims) -> None:
    """Put who is certified into a test's reports."""
    claimed = sorted(need.value for need in claims.claimed)
    lacks = {need.value: reason for need, reason in claims.lacks.items()}
    narrowed = sorted(need.value for need in claims.narrowed)
    item.user_properties.append((_SUBJECT, {**who.to_dict(), "claims": claimed, "lacks": lacks, "narrowed": narrowed}))


def note_not_applicable(item: pytest.Item, why: str) -> None:
    """Put why a test does not apply into its reports."""
    item.user_properties.append((_NOT_APPLICABLE, why))


def is_not_applicable(report: pytest.TestReport) -> bool:
    """Whether a report stands for a requirement that does not apply."""
    return report.skipped and any(name == _NOT_APPLICABLE for name, _ in report.user_properties)


def _outcome_of(report: pytest.TestReport, facts: dict[str, Any]) -> tuple[Outcome, str]:
    if report.failed:
        return Outcome.FAILED, _last_line(report)
    admitted = getattr(report, "wasxfail", None)
    if admitted is not None and report.when == "call":
        return Outcome.DEVIATION, str(admitted)
    if report.skipped:
        why = facts.get(_NOT_APPLICABLE)
        if why is not None:
            return Outcome.NOT_APPLICABLE, str(why)
        return Outcome.SKIPPED, _last_line(report)
    return Outcome.PASSED, ""


def _last_line(report: pytest.TestReport) -> str:
    """Why, in one line; the whole story is in pytest's own output."""
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return str(report.longrepr[2])
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash is not None else report.longreprtext).strip()
    kind, _, _ = text.partition(":")
    # Only the kit's own words: what an adapter raises may say more than a report should hold.
    ours = kind in {"AssertionError", "Failed", "ValueError", "NotImplementedError"} or text.startswith(("assert", "["))
    return text.splitlines()[0] if ours and text else kind.splitlines()[0] if kind else ""
