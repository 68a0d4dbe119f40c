"""Long work on messages that failed: part after part, so that it can be told how far it is, and stopped (BUS-11)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A message that stayed where it was.

    Attributes:
        message: Its id; None where it could not be read.
        code: Why, as a stable code.
        text: Why, in words.
    """

    message: str | None
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class WorkedOff:
    """How far a work has come.

    Attributes:
        done: How many messages were replayed or discarded.
        failed: Those that stayed.
        left: How many have not been looked at yet; those that came after the beginning are not among them.
        missing: How many of the messages named were not found, once all have been looked at.
    """

    done: int = 0
    failed: tuple[FailedMessage, ...] = ()
    left: int = 0
    missing: int = 0


#: Has one part done: its arguments, and its answer as the operation gives it.
DoPart = Callable[[Mapping[str, Any]], Mapping[str, Any]]


def work_off(do: DoPart, messages: Sequence[str]) -> Iterator[WorkedOff]:
    """Do it part by part, and tell after each how far it has come; whoever asks no more has stopped it.

    Between two parts each message is here or there. Blocks in `do`, and raises what that raises: what was told last is
    then done.

    Args:
        do: Has one part done.
        messages: The messages by their ids; none for all.
    """
    so_far = WorkedOff()
    after, until = 0, None
    while True:
        part = do({"messages": list(messages), "after": after, "until": until})
        after, until = part["after"], part["until"]
        failed = tuple(FailedMessage(each["message"], each["code"], each["text"]) for each in part["failed"])
        done, stayed, left = so_far.done + part["done"], so_far.failed + failed, part["left"]
        missing = 0 if left else max(0, len(messages) - done - len(stayed))
        so_far = WorkedOff(done, stayed, left, missing)
        yield so_far
        if not left:
            return
