"""A process of the demonstration `exactly_once`: delivers until it is killed, or until its standard input ends.

Argument: the configuration. Says on standard output `ready`, `handled` for each message, and `empty` when there is
nothing more to deliver, nothing in delivery and no unit of work unfinished.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

from connector import Container


def main(path: Path) -> None:
    """Run."""
    sys.path.insert(0, str(path.parent))
    logging.disable(logging.WARNING)  # that this container is open is told at every start
    stopping = threading.Event()
    with Container.open(path, environ={}) as container:
        os.write(1, b"ready\n")
        threading.Thread(target=_tell_when_empty, args=(container, stopping), daemon=True).start()
        sys.stdin.read()
        stopping.set()


def _tell_when_empty(container: Container, stopping: threading.Event) -> None:
    while not stopping.wait(0.05):
        (bus,) = container.run_command("bus", "show", {})["buses"]
        (orders,) = (each for each in bus["destinations"] if each["name"] == "orders")
        if not orders["depth"] and not orders["in_delivery"] and not container.transactions.to_list():
            os.write(1, b"empty\n")
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
