"""A reason of the catalogue as the failure of a login module: the code stands in the text."""

from __future__ import annotations

from connector.errors import Reason
from connector.spi import LoginFailed


def login_failed(reason: Reason, **details: object) -> LoginFailed:
    """The failure; a chain has an error code of its own, which names reference and module around this one. Pure."""
    return LoginFailed(f"{reason.code}: {reason.text.format(**details)}", reason.action.format(**details))
