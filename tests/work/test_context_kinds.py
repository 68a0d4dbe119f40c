"""FLOW-2: a further kind of work contexts, as the container adds that of transactions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support_work import MARKER, Notices, alice, who

from connector.errors import Reason, WorkCompletedWithError
from connector.spi import WorkContext, WorkContextErrorCode, WorkErrorCode
from connector.work.contexts import STANDARD_KINDS, ContextKind
from connector.work.manager import ContainerWorkManager

DISALLOWED = Reason("CF-TEST-131", "the unit is in use", "")


class UnitContext(WorkContext):
    """A context with something to enter and to leave."""

    name = "unit"

    def __init__(self, *, enter: Any = None, leave: Any = None, swallow: bool = False) -> None:
        self.enter, self.leave, self.swallow = enter, leave, swallow
        self.seen: list[str] = []
        self.notices = Notices()

    def context_setup_complete(self) -> None:
        self.notices.complete += 1

    def context_setup_failed(self, error_code: WorkContextErrorCode) -> None:
        self.notices.failed.append(error_code)


class NarrowUnit(UnitContext):
    """A subclass of a supported one."""


class Around(contextlib.AbstractContextManager[None]):
    """What is entered around the work."""

    def __init__(self, context: UnitContext) -> None:
        self.context = context

    def __enter__(self) -> None:
        self.context.seen.append(f"entered as {who()}")
        if self.context.enter is not None:
            raise self.context.enter

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: Any) -> bool:
        self.context.seen.append(f"left with {type(error).__name__} as {who()}")
        if self.context.leave is not None:
            raise self.context.leave
        return self.context.swallow


UNIT = ContextKind(UnitContext, Around)


@pytest.fixture
def manager(make: Callable[..., ContainerWorkManager]) -> ContainerWorkManager:
    return make(kinds=(UNIT, *STANDARD_KINDS))


def test_it_is_supported_exactly_and_its_subclass_counts_as_it(manager: ContainerWorkManager) -> None:
    assert manager.is_context_supported(UnitContext)
    assert not manager.is_context_supported(NarrowUnit)
    with pytest.raises(WorkCompletedWithError, match="more than one unit context") as caught:
        manager.do_work(lambda: None, contexts=[UnitContext(), NarrowUnit()])
    assert caught.value.error_code is WorkContextErrorCode.DUPLICATE_CONTEXTS


def test_it_is_entered_and_left_within_the_scope_around_the_run(manager: ContainerWorkManager) -> None:
    unit = UnitContext()

    def run() -> str:
        unit.seen.append("ran")
        return "done"

    assert manager.do_work(run, contexts=[unit, alice()]) == "done"
    assert unit.seen == ["entered as alice@home", "ran", "left with NoneType as alice@home"]
    assert (unit.notices.complete, unit.notices.failed) == (1, [])


def test_it_is_around_a_coroutine_as_well(manager: ContainerWorkManager) -> None:
    unit = UnitContext()

    async def run() -> str:
        unit.seen.append("ran")
        return who()

    assert manager.do_work(run, contexts=[unit, alice()]) == "alice@home"
    assert unit.seen[1] == "ran"


@pytest.mark.parametrize("swallow", [False, True])
def test_it_is_left_with_the_error_of_the_run_and_cannot_swallow_it(
    manager: ContainerWorkManager, swallow: bool
) -> None:
    unit = UnitContext(swallow=swallow)
    with pytest.raises(WorkCompletedWithError, match="CF-WORK-012"):
        manager.do_work(lambda: 1 / 0, contexts=[unit])
    assert unit.seen[-1] == "left with WorkCompletedWithError as unauthenticated"


def test_what_entering_raises_is_a_failed_set_up(manager: ContainerWorkManager) -> None:
    unit = UnitContext(enter=ValueError(MARKER))
    with pytest.raises(WorkCompletedWithError, match="its unit context could not be set up: ValueError") as caught:
        manager.do_work(lambda: unit.seen.append("ran"), contexts=[unit])
    assert caught.value.error_code is WorkContextErrorCode.CONTEXT_SETUP_FAILED
    assert unit.notices.failed == [WorkContextErrorCode.CONTEXT_SETUP_FAILED]
    assert (unit.notices.complete, "ran" in unit.seen) == (0, False)
    assert MARKER not in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (WorkContextErrorCode.CONTEXT_SETUP_UNSUPPORTED, WorkContextErrorCode.CONTEXT_SETUP_UNSUPPORTED),
        (WorkErrorCode.CONCURRENT_WORK_DISALLOWED, WorkContextErrorCode.CONTEXT_SETUP_FAILED),
    ],
)
def test_entering_may_refuse_with_a_code_of_its_own(manager: ContainerWorkManager, raised: Any, told: Any) -> None:
    unit = UnitContext(enter=WorkCompletedWithError(DISALLOWED, error_code=raised))
    with pytest.raises(WorkCompletedWithError, match="CF-TEST-131") as caught:
        manager.do_work(lambda: None, contexts=[unit])
    assert caught.value.error_code is raised
    assert unit.notices.failed == [told]


def test_what_leaving_raises_completes_the_work_with_an_error(manager: ContainerWorkManager) -> None:
    unit = UnitContext(leave=ValueError(MARKER))
    with pytest.raises(WorkCompletedWithError, match=r"CF-WORK-013.*ValueError") as caught:
        manager.do_work(lambda: "done", contexts=[unit])
    assert caught.value.error_code is WorkErrorCode.INTERNAL
    assert MARKER not in str(caught.value)
    assert manager.do_work(who) == "unauthenticated"


def test_without_a_caller_nothing_is_entered_where_the_security_context_fails(manager: ContainerWorkManager) -> None:
    from support_work import SaidContext

    unit = UnitContext()
    with pytest.raises(WorkCompletedWithError, match="CF-WORK-011"):
        manager.do_work(lambda: None, contexts=[unit, SaidContext(lambda *_: 1 / 0)])
    assert unit.seen == []


def test_a_generator_based_context_manager_does(make: Callable[..., ContainerWorkManager]) -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def around(context: UnitContext) -> Iterator[None]:
        seen.append("entered")
        yield
        seen.append("left")

    manager = make(kinds=(*STANDARD_KINDS, ContextKind(UnitContext, around)))
    assert manager.do_work(lambda: list(seen), contexts=[UnitContext()]) == ["entered"]
    assert seen == ["entered", "left"]
