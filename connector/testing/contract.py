"""What all contracts have in common: no silent override, applicability, and the meta-test.

A contract is a class of tests, each declared with `@requirement`. Authors subclass it and supply the fixture
`connector_backend` (or `connector_mapper`); `connector.testing.kit` has one of each for the way without code.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any, ClassVar

import pytest

from connector.testing.recording import RECORDER, note_not_applicable, note_subject
from connector.testing.requirement import Need, Requirement, requirement, requirement_of
from connector.testing.subject_under_test import Claims, Identification


class Contract:
    """The root of all contracts.

    A test of a contract may be overridden only to admit that it fails: with `@pytest.mark.xfail(reason=…)`. The kit
    then runs its own test all the same, expects it to fail, and shows the reason in the report as a deviation. Any
    other override raises TypeError where the class is defined.
    """

    #: The kind of thing that the contract is for: which option names it.
    kind: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, (owner, original) in _contract_tests(cls).items():
            found = getattr(cls, name)
            if requirement_of(found) is requirement_of(original):
                continue
            setattr(cls, name, _deviation(original, _admitted(found, cls, owner, name)))

    @requirement("KIT-001", "Every capability that is claimed and has requirements had a test that ran.")
    def test_every_claimed_capability_had_a_test_that_ran(
        self, request: pytest.FixtureRequest, connector_claims: Claims
    ) -> None:
        """Needs all tests of the class in one process: what ran elsewhere is not known to have run."""
        ran = request.config.stash[RECORDER].ran_in(request.node.parent.nodeid)
        declared = [found for found in requirements_in(type(self)) if connector_claims.has(*found.needs)]
        asked: dict[Need, list[str]] = {}
        for each in declared:
            for need in each.needs:
                asked.setdefault(need, []).append(each.id)
        untested = {need.value: ids for need, ids in asked.items() if not ran.intersection(ids)}
        assert not untested, f"claimed, and none of these ran: {untested}"

    @pytest.fixture(autouse=True)
    def _applicability(
        self, request: pytest.FixtureRequest, connector_claims: Claims, connector_identification: Identification
    ) -> None:
        """Tell the report who is certified, and end here what does not apply."""
        note_subject(request.node, connector_identification, connector_claims)
        declared = requirement_of(getattr(type(self), request.node.originalname, None))
        why_not = connector_claims.why_not(declared.needs) if declared is not None else None
        if why_not is not None:
            note_not_applicable(request.node, why_not)
            pytest.skip(f"not applicable: {why_not}")


def requirements_in(contract: type[Contract]) -> list[Requirement]:
    """What a contract or a subclass of it checks."""
    found = [requirement_of(original) for _, original in _contract_tests(contract).values()]
    return [each for each in found if each is not None]


def _contract_tests(cls: type) -> dict[str, tuple[type, Callable[..., Any]]]:
    """The tests with a requirement in a class and its bases, by name: where each was declared first, and it."""
    tests: dict[str, tuple[type, Callable[..., Any]]] = {}
    for owner in reversed(cls.__mro__):
        for name, value in vars(owner).items():
            if requirement_of(value) is not None:
                tests.setdefault(name, (owner, value))
    return tests


def _admitted(found: object, cls: type, owner: type, name: str) -> pytest.Mark:
    for mark in getattr(found, "pytestmark", ()):
        if mark.name == "xfail" and str(mark.kwargs.get("reason") or "").strip():
            return mark  # type: ignore[no-any-return]  # pytest keeps Mark objects there
    raise TypeError(
        f"{cls.__name__}.{name} overrides a test of {owner.__name__}: that is allowed only with "
        "@pytest.mark.xfail(reason=...), and shows in the report as a deviation"
    )


def _deviation(original: Callable[..., Any], admitted: pytest.Mark) -> FunctionType:
    """The contract's own test, expected to fail; one that passes is a failure, since the admission is out of date."""
    assert isinstance(original, FunctionType)
    copy = FunctionType(original.__code__, original.__globals__, original.__name__, original.__defaults__)
    copy.__dict__.update(original.__dict__)
    copy.__qualname__, copy.__annotations__ = original.__qualname__, dict(original.__annotations__)
    pytest.mark.xfail(*admitted.args, **{**admitted.kwargs, "strict": True})(copy)
    return copy
