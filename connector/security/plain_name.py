"""What may be the name of a user, a group or an alias."""

from __future__ import annotations


def is_plain_name(name: str) -> bool:
    """Whether a name can be typed, told apart and shown: no control characters, no blanks at its ends, not empty."""
    return bool(name) and name == name.strip() and name.isprintable()
