"""A process that is killed while it ends a unit of work: run by tests/transactions/test_kills.py, not a test itself.

Arguments: the configuration file; the application's references to write through, by commas; the step to die at, as
`WHERE:WHAT`: `bank:prepare` (before the call), `bank:prepared` (after it), `log:commit` (before the decision is
written), `log:committed` (after it), …
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from connector import Container
from connector.outbound.enlistment import EnlistedConnection
from connector.transactions.decision_log import DecisionLog

_AFTER = {"prepare": "prepared", "commit": "committed"}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(call: Callable[..., Any], where: Callable[..., str], step: str) -> Callable[..., Any]:
    """The call, with death before or after it."""

    def around(*args: Any, **named: Any) -> Any:
        place = where(*args)
        kind = call.__name__ if not isinstance(args[0], DecisionLog) else "commit"
        if step == f"{place}:{kind}":
            die()
        result = call(*args, **named)
        if step == f"{place}:{_AFTER[kind]}":
            die()
        return result

    return around


def main(path: str, references: str, step: str) -> None:
    connection: Any = EnlistedConnection
    log: Any = DecisionLog
    for name in ("prepare", "commit"):
        setattr(connection, name, deadly(getattr(connection, name), lambda one, *_rest: one.resource, step))

    def record_of(_log: object, record: Any) -> str:
        return "last" if record.standing.value == "last-resource" else "log"

    log.decide = deadly(log.decide, record_of, step)
    with Container.open(path, environ={}) as container:
        application = container.application("till")
        with container.transaction():
            for reference in references.split(","):
                caller = container._parts.identity.assert_user("alice")
                with container.run_as(caller), application.lookup(reference).get_connection() as connection:
                    connection.execute(text("INSERT INTO entries (what) VALUES ('killed')"))
    print("survived")


if __name__ == "__main__":
    main(*sys.argv[1:])
