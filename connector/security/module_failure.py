"""Making a module's exception fit to be shown, whatever it holds (AUTHD-4)."""

from __future__ import annotations

import traceback
from pathlib import PurePath

from connector.errors import ConnectorError
from connector.security.login_outcome import CONSEQUENCE
from connector.spi import ControlFlag, LoginFailed


def presentable(error: Exception) -> LoginFailed | ConnectorError:
    """The failure to report for what a module raised.

    A LoginFailed and the framework's own errors promise a clean text and stay themselves. Of anything else only the
    type and the place are told: its text may hold whatever the module was working with. Cause, context and traceback
    are taken off in either case, since printing them would print those texts again.
    """
    if isinstance(error, LoginFailed | ConnectorError):
        failure = error
    else:
        failure = LoginFailed(
            f"the module raised {type(error).__qualname__}{_place(error)} (its text is withheld, it may hold a secret)",
            "Look there, or report it to the module's author.",
        )
    failure.__cause__ = failure.__context__ = failure.__traceback__ = None
    return failure


def unmade(failure: LoginFailed | ConnectorError, flag: ControlFlag) -> LoginFailed:
    """The failure of a module that could not even be made: missing, broken, or no such class.

    It obeys the module's flag as any other failure does (connectors.md 2.16, rule 6), so the flag's consequence is
    told with it: whoever reads it must know whether callers are refused or served by the other modules.
    """
    text = f"{failure.code}: {failure.text}" if isinstance(failure, ConnectorError) else failure.text
    return LoginFailed(f"it can't be made: {text.rstrip('.')}; {CONSEQUENCE[flag]}", failure.action)


def _place(error: Exception) -> str:
    """The file and line that raised, in words; code locations are no secrets, lines of source are not shown."""
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    return f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
