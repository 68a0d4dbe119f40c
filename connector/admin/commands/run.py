"""`connector run`: a container until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from connector.admin.attach import Administration
from connector.admin.exit_codes import ExitCode
from connector.admin.output import print_json, print_line
from connector.admin.process_memory import settle_memory
from connector.admin.profile import load_profile
from connector.admin.settings import AdminCommand, settings_of

if TYPE_CHECKING:
    from connector.container.container import Container

log = logging.getLogger("connector.admin")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Seconds that threads which are left behind get to end by themselves; the stop itself takes up to four.
LEFTOVER_TIMEOUT = 0.5
#: Seconds after which a busy thread lets others have a turn in the process of an engine.
ENGINE_SWITCH_INTERVAL = 0.0005


@click.command(cls=AdminCommand)
@click.argument("configuration", required=False, type=click.Path(path_type=Path))
@click.option("--engine", metavar="BUS", help="Only the engine of this bus, with its chains: a process of its own.")
@click.pass_context
def run(context: click.Context, configuration: Path | None, engine: str | None) -> None:
    """Run the container with its admin socket; prints one line when it is ready.

    Ctrl-C, SIGTERM or `connector stop` stops it in reverse order within five seconds: messages in work are finished
    or given back, none is lost. A second Ctrl-C stops at once.
    """
    from connector.container.container import Container  # `run --help` needs none of it

    settings = settings_of(context)
    if configuration is not None:
        settings.config = configuration
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    profile = load_profile(settings.config, settings.overrides)
    asked = threading.Event()
    administration = Administration(profile, stop=asked.set)
    before = set(threading.enumerate())
    with (
        stop_signals(asked) as wait_for_stop,
        Container.open(profile.path, overrides=profile.overrides, attach=administration, engine=engine) as container,
    ):
        settle_memory()
        if engine is not None:
            # The engine's thread has the turn soon, should another one keep the processor busy after all.
            sys.setswitchinterval(ENGINE_SWITCH_INTERVAL)
        _print_ready(container, administration, as_json=settings.json)
        wait_for_stop()
        if not settings.json:
            print_line(f"container {container.name} stops")
    _leave_behind([thread for thread in threading.enumerate() if thread not in before])


def _leave_behind(threads: list[threading.Thread], wait: float = LEFTOVER_TIMEOUT) -> None:
    """End the process in `wait` seconds even if threads that handlers have left behind never end.

    Python waits without limit for threads that are no daemons, and for those of executors (`asyncio.to_thread`) even
    where they are. Everything of the container's has stopped by now, so there is nothing to lose.
    """
    if not threads:
        return

    def watch() -> None:
        time.sleep(wait)
        log.warning("left behind: thread %s", ", ".join(thread.name for thread in threads if thread.is_alive()))
        sys.stdout.flush()
        os._exit(ExitCode.DONE)

    threading.Thread(target=watch, name="connector-leave", daemon=True).start()


def _print_ready(container: Container, administration: Administration, *, as_json: bool) -> None:
    socket, port = administration.socket, administration.port
    if as_json:
        ready = {"ready": container.name, "security": container.security, "realm": container.realm}
        print_json({**ready, "admin_socket": str(socket), "admin_port": port})
        return
    security = "on" if container.security else "OFF"
    places = f"socket {socket}" if port is None else f"socket {socket}, admin port {port}"
    print_line(f"container {container.name} is ready (security {security}, realm {container.realm}, {places})")


@contextmanager
def stop_signals(asked: threading.Event | None = None) -> Iterator[Callable[[], None]]:
    """While the `with` lasts, the first SIGINT or SIGTERM asks to stop, and the next one interrupts the stopping.

    Args:
        asked: Set by whoever else asks to stop; a signal then interrupts.

    Yields:
        Waits until asked to stop. A signal during the start is not lost: the wait then ends at once, so that a
        container is never left half started. For the main thread.
    """
    asked = threading.Event() if asked is None else asked

    def ask(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    def wait() -> None:
        asked.wait()

    before = {number: signal.signal(number, ask) for number in _SIGNALS}
    try:
        yield wait
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it was not Python's, and can't be brought back from here
                signal.signal(number, handler)
