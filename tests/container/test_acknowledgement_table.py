"""FLOW-8: the table "What happens to a message" of the deployer's guide, row by row, for each kind of handler.

A row is tried on four handlers at once: `def` and `async def`, transacted and not. What a handler does is said by its
message; before, it sends a copy on, by which one sees whether its own sends stay.
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from support_container import ProfileFolder

from connector import Container
from connector.errors import Reason, RegistryUnavailable, TransactionError
from connector.spi import Message

AWAY = Reason("CF-TEST-420", "the user registry does not answer", "Wait.")
EXCEPTIONS = "_SYSTEM.Exception.Destination.shop"
KINDS = ("def", "async-def")
HANDLER = """
@message_driven(activation="jms/{queue}", roles_allowed={{"buyer"}}, transacted={transacted})
{kind} {name}(message, context):
    return {wait}table.{handle}("{queue}", message, context)
"""
DOCUMENT = Path(__file__).parents[2] / "docs" / "deployers.md"


@dataclass
class Table:
    """What the handlers do, and what has become of it."""

    profile: ProfileFolder
    container: Container
    do: Callable[[Message, Any], Any] = lambda message, context: "done"
    calls: dict[str, list[int]] = field(default_factory=dict)
    left: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def handle(self, queue: str, message: Message, context: Any) -> Any:
        """Called by each handler."""
        try:
            self.calls.setdefault(queue, []).append(message.delivery_count)
            with context.lookup("jms/shop").get_connection() as bus:
                bus.send("copies", queue)
            return self.do(message, context)
        finally:
            self.left.release()

    async def handle_on_the_loop(self, queue: str, message: Message, context: Any) -> Any:
        """The same for those that are coroutines; they may wait there."""
        done = self.handle(queue, message, context)
        return await done if asyncio.iscoroutine(done) else done

    def send(self, *, user: str = "alice", reply_to: str | None = "replies") -> None:
        """One message for each handler."""
        with self.container.lookup("jms/shop").get_connection(user, self.profile.password) as bus:
            for queue in QUEUES:
                bus.send(queue, {"for": queue}, reply_to=reply_to)

    def on(self, destination: str, user: str = "admin") -> list[Message]:
        """What stands on a destination."""
        with self.container.lookup("jms/shop").get_connection(user, self.profile.password) as bus:
            return list(bus.browse(destination))

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for the engine to have come to something; it tells nobody."""
        done = threading.Event()
        for _ in range(1000):
            if condition():
                return
            done.wait(0.01)
        raise AssertionError(f"it never came to that; calls so far: {self.calls}")

    def until_settled(self) -> None:
        """Until no message is in delivery or on a handler's queue."""
        self.until(lambda: all(not self.on(queue) for queue in QUEUES) and self.in_delivery() == 0)

    def in_delivery(self) -> int:
        shown = self.container.run_command("bus", "show", {"bus": "shop"})["buses"][0]["destinations"]
        return sum(int(one["in_delivery"]) for one in shown)

    def copies(self) -> set[str]:
        return {str(message.body) for message in self.on("copies")}

    def buried(self) -> dict[str, tuple[str, int]]:
        """By queue: reason and attempts in the exception destination."""
        return {
            str(message.properties["exception_destination"]): (
                str(message.properties["exception_reason"]),
                int(str(message.properties["exception_attempts"])),
            )
            for message in self.on(EXCEPTIONS)
        }


def queue_name(kind: str, transacted: bool) -> str:
    return f"{kind}-{'in-a-unit' if transacted else 'plain'}"


QUEUES = tuple(queue_name(kind, transacted) for kind in KINDS for transacted in (False, True))
PLAIN = {queue for queue in QUEUES if queue.endswith("plain")}
EVERY = set(QUEUES)


def each(counts: list[int]) -> dict[str, list[int]]:
    return {queue: counts for queue in QUEUES}  # noqa: C420 - a list for each


def prepared(profile: ProfileFolder) -> None:
    """A profile with four queues and four handlers; three deliveries in all."""
    text = "from connector import message_driven\n"
    activations, resources, destinations = "", "", ""
    for kind in KINDS:
        for transacted in (False, True):
            queue = queue_name(kind, transacted)
            definition = kind.replace("-", " ")
            name = queue.replace("-", "_")
            wait, handle = ("await ", "handle_on_the_loop") if kind == "async-def" else ("", "handle")
            text += HANDLER.format(
                queue=queue, transacted=transacted, kind=definition, name=name, wait=wait, handle=handle
            )
            activations += f'[activations."jms/{queue}"]\nbind = "jms/{queue}"\nmax_redeliveries = 2\n'
            resources += (
                f'[resources."jms/{queue}"]\nadapter = "bus"\nkind = "activation"\ncomponent_alias = "shop-service"\n'
                f'properties = {{ bus = "shop", destination = "{queue}" }}\n'
            )
            destinations += f"[buses.shop.destinations.{queue}]\n"
    profile.handlers(text)
    shop = profile.descriptor.read_text()
    profile.descriptor.write_text(shop[: shop.index('[activations."jms/orders"]')] + activations)
    replies = "[buses.shop.destinations.copies]\n[buses.shop.destinations.replies]\n"
    closed = "[buses.shop.destinations.closed]\ninherit_defaults = false\n"
    buried = f'[buses.shop.destinations."{EXCEPTIONS}"]\nroles = {{ browser = ["user:admin"] }}\n'
    profile.edit("[applications]", f"{resources}{destinations}{replies}{closed}{buried}\n[applications]")


@pytest.fixture
def table(profile: ProfileFolder) -> Iterator[Table]:
    prepared(profile)
    with profile.open(activate=False):
        pass  # the module is imported, so that it can be told whom to call
    with opened(profile) as made:
        yield made


class opened:  # noqa: N801 - used as a function
    """A container on the profile, for a `with` block."""

    def __init__(self, profile: ProfileFolder) -> None:
        self._profile = profile

    def __enter__(self) -> Table:
        made = Table(self._profile, None)  # type: ignore[arg-type]  # known a moment later
        module = sys.modules[self._profile.module]
        module.table = made  # type: ignore[attr-defined]
        self._container = self._profile.open()
        made.container = self._container
        return made

    def __exit__(self, *_: object) -> None:
        self._container.close()


# --- the rows ---------------------------------------------------------------------------------------------------------


def test_returns(table: Table) -> None:
    table.send()
    table.until(lambda: len(table.on("replies")) == 4)
    assert table.calls == each([0])
    assert table.copies() == EVERY
    assert table.buried() == {}


def test_returns_a_reply_that_can_t_be_sent(table: Table) -> None:
    table.send(reply_to="closed")
    table.until(lambda: len(table.buried()) == 4)
    assert table.calls == each([0, 1, 2])
    assert table.buried() == dict.fromkeys(QUEUES, ("CF-BUS-020", 3))
    assert table.copies() == PLAIN


def test_raises(table: Table) -> None:
    def fail(message: Message, context: Any) -> None:
        raise ValueError

    table.do = fail
    table.send()
    table.until(lambda: len(table.buried()) == 4)
    assert table.calls == each([0, 1, 2])
    assert table.buried() == dict.fromkeys(QUEUES, ("CF-ENDP-020", 3))
    assert table.copies() == PLAIN
    assert {message.properties["connector_fault"] for message in table.on("replies")} == {"CF-ENDP-020"}


def test_returns_what_is_no_reply(table: Table) -> None:
    table.do = lambda message, context: object()
    table.send()
    table.until(lambda: len(table.buried()) == 4)
    assert table.buried() == dict.fromkeys(QUEUES, ("CF-ENDP-021", 3))
    assert table.copies() == PLAIN


def test_asks_for_a_rollback(table: Table) -> None:
    refused: list[str] = []

    def ask(message: Message, context: Any) -> str:
        try:
            context.set_rollback_only()
        except TransactionError as error:
            refused.append(error.code)
        return "done"

    table.do = ask
    table.send()
    table.until(lambda: len(table.buried()) == 2 and len(table.on("replies")) == 4)
    assert table.buried() == dict.fromkeys(EVERY - PLAIN, ("CF-ENDP-022", 3))
    assert refused == ["CF-ENDP-023", "CF-ENDP-023"], "who is not transacted hears so, and may go on"
    assert table.copies() == PLAIN


def test_its_unit_can_t_be_committed(table: Table) -> None:
    def spoil(message: Message, context: Any) -> str:
        unit = table.container.current_transaction()
        if unit is not None:
            unit.set_rollback_only()
        return "done"

    table.do = spoil
    table.send()
    table.until(lambda: len(table.buried()) == 2 and len(table.on("replies")) == 4)
    assert table.buried() == dict.fromkeys(EVERY - PLAIN, ("CF-ENDP-022", 3))
    assert table.copies() == PLAIN


def test_the_caller_is_in_no_allowed_role(table: Table) -> None:
    table.send(user="carol")
    table.until(lambda: len(table.buried()) == 4)
    assert table.calls == {}
    assert table.buried() == dict.fromkeys(QUEUES, ("CF-ENDP-010", 3))


def test_the_user_registry_does_not_answer(table: Table) -> None:
    away = [True]

    def ask(message: Message, context: Any) -> str:
        if away:
            raise RegistryUnavailable(AWAY)
        return "done"

    table.do = ask
    table.send()
    table.until(lambda: table.container.activation(f"shop:jms/{QUEUES[0]}").report().problem.endswith("CF-TEST-420"))
    away.clear()
    table.until(lambda: len(table.on("replies")) == 4)
    assert {count for counts in table.calls.values() for count in counts} == {0}, "no attempt was counted"
    assert table.buried() == {}


def test_the_activation_is_paused(table: Table) -> None:
    for queue in QUEUES:
        table.container.activation(f"shop:jms/{queue}").pause()
    table.send()
    assert all(len(table.on(queue)) == 1 for queue in QUEUES)
    for queue in QUEUES:
        table.container.activation(f"shop:jms/{queue}").resume()
    table.until(lambda: len(table.on("replies")) == 4)
    assert table.calls == each([0])


def test_the_container_stops_before_the_handler_ends(table: Table) -> None:
    go_on = threading.Event()

    async def hang_on_the_loop() -> None:
        await asyncio.Event().wait()

    def hang(message: Message, context: Any) -> Any:
        if context.activation.startswith("jms/async"):
            return hang_on_the_loop()
        go_on.wait(60)
        return "late"

    table.do = hang
    table.send()
    table.until(lambda: len(table.calls) == 4)
    table.container.close()
    go_on.set()
    with opened(table.profile) as again:
        again.until(lambda: len(again.on("replies")) == 4)
        assert again.calls == each([0]), "no attempt was counted"
        assert again.buried() == {}


def test_the_guide_has_these_rows_and_no_others() -> None:
    section = DOCUMENT.read_text().split("## What happens to a message")[1].split("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")][1:]
    named = {
        name for name in globals() if name.startswith("test_") and name != "test_the_guide_has_these_rows_and_no_others"
    }
    assert {"test_" + re.sub(r"\W+", "_", row) for row in rows} == named
