"""Moving over a TOML text that tomllib has accepted: the tokens that `lines` and `spans` go by."""

from __future__ import annotations

import re
from typing import Final

BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
QUOTED: Final = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
# A multi-line string may end with up to two quotes of its own before the closing three.
_MULTI_LINE = re.compile(r"\"\"\"(?:[^\\]|\\.)*?\"{3,5}(?!\")|'''.*?'{3,5}(?!')", re.DOTALL)
# A date and its time may be separated by one blank.
_PLAIN = re.compile(r"[^\s,\]}#]+(?: \d{2}:[^\s,\]}#]+)?")


class Cursor:
    """A position in a text. Checks nothing; not safe for threads.

    Attributes:
        position: Where it is; moves on, and only forwards.
    """

    def __init__(self, text: str) -> None:
        self.text: Final = text
        self.position = 0

    def at_end(self) -> bool:
        """Whether nothing but blanks and comments is left; these are passed."""
        self.skip(BLANK)
        return self.position >= len(self.text)

    def skip(self, pattern: re.Pattern[str]) -> str | None:
        """Pass what matches here, and answer it; None where nothing does."""
        match = pattern.match(self.text, self.position)
        if match is None:
            return None
        self.position = match.end()
        return match.group()

    def take(self, token: str) -> bool:
        """Pass blanks and the token, where it comes next.

        Else the position is left alone: a value ends where it ends, not where the next one begins.
        """
        match = BLANK.match(self.text, self.position)
        after = self.position if match is None else match.end()
        if not self.text.startswith(token, after):
            return False
        self.position = after + len(token)
        return True

    def skip_scalar(self) -> None:
        """Pass a value that is neither table nor array."""
        if not (self.skip(_MULTI_LINE) or self.skip(QUOTED) or self.skip(_PLAIN)):
            self.position += 1  # not in a text that tomllib accepts; a wrong place is better than one that hangs
