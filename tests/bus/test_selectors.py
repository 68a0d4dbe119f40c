"""Selectors: the conditions of SQL-92 that JMS takes, with SQLite as an oracle that nobody here wrote."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from connector.errors import MessagingError
from connector.spi import Message
from connector_bus.selector.selector import MAX_DEPTH, MAX_LENGTH, parse_selector
from connector_bus.selector.values import like

MESSAGE = Message(
    properties={"location": "UK", "day": "Tue", "degrees": 7, "chance": 2.5, "sunny": True, "note": "it's 100%_sure"},
    priority=5,
    message_id="ID:1",
    correlation_id="C1",
    timestamp=1.5,
    group="north",
)


@pytest.mark.parametrize(
    "text",
    [
        "location = 'UK'",
        "location <> 'FR' AND degrees > 6",
        "degrees BETWEEN 1 AND 7",
        "degrees NOT BETWEEN 8 AND 9",
        "location IN ('FR', 'UK')",
        "location NOT IN ('FR')",
        "location LIKE 'U_'",
        "note LIKE 'it''s 100!%!_%' ESCAPE '!'",
        "day NOT LIKE 'W%'",
        "rain IS NULL",
        "location IS NOT NULL",
        "sunny",
        "sunny = TRUE AND NOT sunny = FALSE",
        "(degrees + 1) * 2 = 16",
        "-degrees = - 7 AND +degrees = 7",
        "degrees / 2 = 3",
        "chance * 2 = 5.0 AND chance = 25e-1 AND chance = 2.5d",
        "degrees = 0x7 AND degrees = 07 AND degrees = 7L",
        "degrees = 7.0",
        "rain = 1 or location = 'UK'",
        "JMSPriority >= 5 AND JMSMessageID = 'ID:1' AND JMSCorrelationID = 'C1' AND JMSTimestamp = 1500",
        "JMSDeliveryMode = 'PERSISTENT' AND JMSXGroupID = 'north' AND JMSXDeliveryCount = 1",
        "NOT (rain = 1 AND location = 'FR')",
        "location = 'UK' OR 1 / 0 = 1",
        "\n location\t= 'UK' ",
    ],
)
def test_a_condition_that_holds_selects(text: str) -> None:
    assert parse_selector(text).matches(MESSAGE)


@pytest.mark.parametrize(
    "text",
    [
        "location = 'uk'",
        "Location = 'UK'",
        "rain = 1",
        "NOT rain = 1",
        "rain <> 1",
        "rain IN ('a') OR rain NOT IN ('a')",
        "rain LIKE '%' OR rain NOT LIKE '%'",
        "rain BETWEEN 1 AND 2 OR rain NOT BETWEEN 1 AND 2",
        "degrees = '7'",
        "degrees <> '7'",
        "location > 'A'",
        "sunny = 1",
        "sunny > FALSE",
        "degrees",
        "location",
        "degrees LIKE '7'",
        "location + 1 = 1",
        "1 / 0 = 1 OR NOT 1 / 0 = 1",
        "sunny + 1 = 2",
        "JMSUserID = 'alice'",
    ],
)
def test_a_condition_that_does_not_hold_or_is_unknown_selects_nothing(text: str) -> None:
    assert not parse_selector(text).matches(MESSAGE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("location =", "ends where more is needed"),
        ("location == 'UK'", "at character 11"),
        ("location = 'UK", "at character 12"),
        ('location = "UK"', "at character 12"),
        ("location 'UK'", "at character 10"),
        ("note LIKE 'x' ESCAPE 'ab'", "one character"),
        ("degrees = 09", "octal"),
        ("degrees = 9223372036854775808", "64 bits"),
        ("degrees + 1 IS NULL", "name of a property"),
        ("'a' IN ('a')", "name of a property"),
        ("NULL = NULL", "at character 1"),
        ("x; DROP TABLE messages", "at character 2"),
        (f"location = '{'x' * MAX_LENGTH}'", "characters"),
        ("(" * (MAX_DEPTH + 1) + "sunny" + ")" * (MAX_DEPTH + 1), "nested"),
        ("NOT " * (MAX_DEPTH + 1) + "sunny", "nested"),
        ("degrees = " + "-" * (MAX_DEPTH + 1) + "1", "nested"),
    ],
)
def test_what_is_no_selector_is_refused_with_place_and_reason(text: str, why: str) -> None:
    with pytest.raises(MessagingError) as refused:
        parse_selector(text)
    assert refused.value.code == "CF-BUS-170"
    assert why in refused.value.text
    assert len(refused.value.text) < 400


def test_a_selector_knows_what_it_names() -> None:
    selector = parse_selector("location = 'UK' AND (order.id IS NULL OR JMSPriority > 4)")
    assert selector.identifiers == {"location", "order.id", "JMSPriority"}
    assert repr(selector).startswith("<Selector ")


def test_words_that_only_begin_like_keywords_are_names() -> None:
    message = Message(properties={"orders": 1, "nothing": 2, "island": 3, "inner": 4, "$x": 5, "_y": 6})
    assert parse_selector("orders=1 AND nothing=2 AND island=3 AND inner=4 AND $x=5 AND _y=6").matches(message)


def test_a_hostile_pattern_is_answered_in_time_that_grows_with_its_length() -> None:
    """Were it an expression of `.*`, this would not end."""
    assert not like("%a" * 500 + "%b", None)("a" * 20_000)


# --- against SQLite

_NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, -1.5, 2.0])
_TEXTS = st.text("ab%_'", max_size=4)
_ROWS = st.fixed_dictionaries(
    {"n": st.none() | st.integers(-3, 3), "f": st.none() | st.sampled_from([0.5, -1.5, 2.0]), "s": st.none() | _TEXTS}
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


_SUMS = st.recursive(
    st.sampled_from(["n", "f"]) | _NUMBERS.map(lambda number: f"({number})"),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join).map(lambda text: f"({text})"),
    max_leaves=4,
)
_SIGNS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
_NOT = st.sampled_from(["", "NOT "])
_PREDICATES = st.one_of(
    st.tuples(_SUMS, _SIGNS, _SUMS).map(" ".join),
    st.builds("{} {}BETWEEN {} AND {}".format, _SUMS, _NOT, _SUMS, _SUMS),
    st.builds("s {} {}".format, st.sampled_from(["=", "<>"]), _TEXTS.map(_quoted)),
    st.builds("s {}IN ({})".format, _NOT, st.lists(_TEXTS.map(_quoted), min_size=1, max_size=3).map(", ".join)),
    st.builds("s {}LIKE {}".format, _NOT, _TEXTS.map(_quoted)),
    st.builds("s {}LIKE {} ESCAPE 'b'".format, _NOT, st.text("a%_", max_size=4).map(_quoted)),
    st.builds("{} IS {}NULL".format, st.sampled_from("nfs"), _NOT),
)
_CONDITIONS = st.recursive(
    _PREDICATES,
    lambda inner: st.one_of(
        inner.map(lambda text: f"NOT ({text})"),
        st.tuples(inner, st.sampled_from([" AND ", " OR "]), inner).map("".join),
        inner.map(lambda text: f"({text})"),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def database() -> Iterator[sqlite3.Connection]:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("PRAGMA case_sensitive_like = ON")
        yield connection
    connection.close()


@settings(max_examples=400, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink])
@given(condition=_CONDITIONS, row=_ROWS)
def test_sqlite_selects_the_same(database: sqlite3.Connection, condition: str, row: dict[str, Any]) -> None:
    query = f"SELECT ({condition}) FROM (SELECT :n AS n, :f AS f, :s AS s)"
    (answer,) = database.execute(query, row).fetchone()
    assert parse_selector(condition).matches(Message(properties=row)) is (answer == 1)
