"""What can be wrong with the options and the table, as entries of the message catalogue."""

from __future__ import annotations

from connector.errors import Problem, Reason
from connector.spi import IN_THE_OPTIONS

NOTHING_TO_MAP_BY = Reason(
    "CF-MAP-001", "neither `own_credential` nor `table` nor `rules`", "Say what callers are to be mapped by."
)
NO_REALM = Reason("CF-MAP-002", "no `realm`", "Say whose callers are those that are written without @REALM.")
RULE_FOR_NOBODY = Reason("CF-MAP-003", "a rule with {count} of `caller` and `group`", "Give each rule exactly one.")
PATTERN_WRONG = Reason(
    "CF-MAP-004",
    "a pattern that is no regular expression ({why})",
    "Correct it; it has to fit the whole of NAME@REALM.",
)
PATTERN_WITHOUT_REALM = Reason(
    "CF-MAP-005",
    "the pattern {pattern!r}, which no caller fits",
    "Patterns are held against NAME@REALM: write {pattern}@REALM, or put the caller into a table.",
)
NAME_WRONG = Reason("CF-MAP-006", "the name {name!r} with an empty part", "Write NAME or NAME@REALM.")
RULE_UNREACHABLE = Reason(
    "CF-MAP-007", "a rule after the one for every caller, which is never reached", 'Put `caller = "*"` last.'
)
PLACEHOLDER_UNKNOWN = Reason(
    "CF-MAP-008", "the placeholder {{{name}}}, which stands for nothing here", "Use one of those that are allowed."
)
TEXT_MISSING = Reason("CF-MAP-009", "no text", "Give it a text that is not empty.")
CHOICE_WRONG = Reason("CF-MAP-010", "another word", "Use one of those that are allowed.")
TABLE_UNREADABLE = Reason("CF-MAP-020", "a file that can't be read ({why})", "Make it, readable for the container.")
TABLE_NOT_TOML = Reason("CF-MAP-021", "text that is not TOML: {why}", "Correct the syntax there.")
KEY_UNKNOWN = Reason(
    "CF-MAP-022", "the unknown key {key!r}", "Correct or remove it; a name with a dot or an @ is written in quotes."
)
ENTRY_WRONG = Reason("CF-MAP-023", "something else", "Write the alias as a text, or a table with `alias` and `user`.")
PASSWORD_IN_TABLE = Reason(
    "CF-MAP-024",
    "a password",
    "Put user and password into the authentication data (connector auth-data set) and name the alias.",
)
EVERYBODY_IN_TABLE = Reason(
    "CF-MAP-025", "the caller *, for whom a table has no place", 'Write a rule, in the options: caller = "*".'
)


def mistake(
    reason: Reason,
    key_path: str,
    allowed: str,
    *,
    file: str = IN_THE_OPTIONS,
    line: int | None = None,
    **inserts: object,
) -> Problem:
    """One mistake at its place. Pure; `inserts` are shown, so none of them may be a secret."""
    return Problem(
        reason.code, file, line, key_path, reason.text.format(**inserts), allowed, reason.action.format(**inserts)
    )
