"""What the contracts for adapters share: the bench."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar, TypeVar

import pytest

from connector.testing.bench import AdapterBench
from connector.testing.contract import Contract

T = TypeVar("T")


class AdapterContract(Contract):
    """The root of the contracts for adapters; supply the fixture `connector_backend`."""

    kind: ClassVar[str] = "adapter"

    @pytest.fixture
    def bench(self, connector_bench: AdapterBench) -> AdapterBench:
        """A started adapter on the author's backend."""
        return connector_bench


def on_another_thread(action: Callable[[], T]) -> T:
    """Run something on a thread of its own and wait for it; raises what it raised."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(action())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="connector-kit")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
