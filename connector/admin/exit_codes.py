"""The exit codes of the command line: documented in ``docs/cli.md``, stable, four for programs and one for Ctrl-C."""

from __future__ import annotations

from enum import IntEnum, unique


@unique
class ExitCode(IntEnum):
    """What the process ends with (OPS-1)."""

    DONE = 0
    #: Refused or failed: the request was understood and did not come about (or a defect of ours).
    REFUSED = 1
    #: Wrong usage or configuration: nothing was started, nothing was changed.
    USAGE = 2
    #: The external system, bus or running container can't be reached, or no connection came free in time.
    UNREACHABLE = 3
    #: Ctrl-C, as shells know it (128 + SIGINT). A container that `run` was told to stop ends with DONE.
    INTERRUPTED = 130
