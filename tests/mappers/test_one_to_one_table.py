"""SIGN-5: a table of callers; read again when it has changed, all at once or not at all."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_mappers import credential_of, is_ignored, remarks, run_module
from support_secrets import MARKER
from support_signon import ALICE, BOB, AuthData

from connector.security.login_chain import ChainFailed
from connector.spi import Secret, Subject
from connector_onetoone import OneToOneModule
from connector_onetoone.callers import Named, User
from connector_onetoone.table import CallerTable, Entry, read_table

ALIASES = AuthData(**{"alice-db": "alice_db", "bob-db": "bob_db", "shared": "someone"})
TABLE = """
[callers]
alice = "alice-db"
"bob@partners" = "bob-db"
carol = { user = "carol_db", alias = "shared" }
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "callers.toml"
    file.write_text(TABLE)
    return file


def _options(table: Path, **more: object) -> dict[str, object]:
    return {"table": table, "realm": "weather", **more}


def _user(table: Path, caller: Subject, **more: object) -> str | None:
    try:
        return credential_of(run_module(OneToOneModule, _options(table, **more), caller, ALIASES)).user
    except ChainFailed as failed:
        if not is_ignored(failed):
            raise
        return None


def test_a_caller_is_mapped_to_an_alias_or_to_a_user_with_the_password_of_an_alias(table: Path) -> None:
    assert _user(table, ALICE) == "alice_db"
    carol = credential_of(run_module(OneToOneModule, _options(table), Subject.of_user("carol", "weather"), ALIASES))
    assert (carol.user, carol.alias, carol.version, carol.password) == ("carol_db", "shared", 3, Secret(MARKER))


@pytest.mark.parametrize(
    ("name", "realm", "user"),
    [("bob", "partners", "bob_db"), ("bob", "weather", None), ("alice", "partners", None), ("zoe", "weather", None)],
)
def test_a_name_without_realm_is_one_of_the_containers_own(table: Path, name: str, realm: str, user: str) -> None:
    assert _user(table, Subject.of_user(name, realm)) == user


def test_a_star_as_realm_takes_names_of_any_realm(table: Path) -> None:
    assert _user(table, Subject.of_user("alice", "partners"), realm="*") == "alice_db"


def test_a_name_with_its_realm_wins_over_one_without(table: Path) -> None:
    table.write_text('[callers]\nalice = "shared"\n"alice@weather" = "alice-db"\n')

    assert _user(table, ALICE) == "alice_db"


def test_the_table_wins_over_the_rules_and_the_rules_have_the_rest(table: Path) -> None:
    rules = [{"caller": "*", "alias": "shared"}]

    assert _user(table, ALICE, rules=rules) == "alice_db"
    assert _user(table, BOB, rules=rules) == "someone"


def test_an_unknown_alias_of_the_table_is_a_failure(table: Path) -> None:
    table.write_text('[callers]\nalice = "gone"\n')

    with pytest.raises(ChainFailed, match=r"'gone', by table callers.toml, is not in the authentication data"):
        run_module(OneToOneModule, _options(table, rules=[{"caller": "*", "alias": "shared"}]), ALICE, ALIASES)


def test_it_says_that_the_table_decided(table: Path) -> None:
    assert remarks(run_module(OneToOneModule, _options(table), ALICE, ALIASES)) == [
        "alice@weather → alias 'alice-db', by table callers.toml"
    ]


# --- changes --------------------------------------------------------------------------------------------------------


def test_a_change_counts_at_the_next_login_even_within_one_tick_of_the_clock(table: Path) -> None:
    users = []
    for user in ("alice-db", "bob-db__"[:6], "shared", "alice-db"):  # texts of equal size among them
        table.write_text(f'[callers]\nalice = "{user}"\n')
        users.append(_user(table, ALICE))

    assert users == ["alice_db", "bob_db", "someone", "alice_db"]


def test_a_revision_stands_for_what_was_read(table: Path) -> None:
    options = _options(table)
    first = OneToOneModule.revision(options)
    assert OneToOneModule.revision(options) == first

    table.write_text(TABLE.replace("alice-db", "shared"))
    second = OneToOneModule.revision(options)
    assert second != first
    os.utime(table, ns=(1, 1))  # another date, the same text
    assert OneToOneModule.revision(options) == second


def test_a_file_that_has_settled_is_not_read_again(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(table, ns=(1, 1))
    assert _user(table, ALICE) == "alice_db"

    def never(_: Path) -> bytes:
        raise AssertionError("read again")

    monkeypatch.setattr(Path, "read_bytes", never)
    assert _user(table, ALICE) == "alice_db"


@pytest.mark.parametrize(
    "edit", ["[callers", "[callers]\nalice = 7", None], ids=["no TOML", "a wrong entry", "the file is gone"]
)
def test_a_wrong_edit_leaves_the_last_good_table_in_force_and_is_reported_once(
    table: Path, edit: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert _user(table, ALICE) == "alice_db"
    before = OneToOneModule.revision(_options(table))

    with caplog.at_level(logging.WARNING, "connector.mappers"):
        if edit is None:
            table.unlink()
        else:
            table.write_text(edit)
        results = [run_module(OneToOneModule, _options(table), ALICE, ALIASES) for _ in range(3)]

    assert [credential_of(result).user for result in results] == ["alice_db"] * 3
    assert OneToOneModule.revision(_options(table)) == before
    assert len(caplog.records) == 1
    assert "the last one that was right stays in force" in caplog.text
    assert "wrong as it stands" in remarks(results[0])[0]
    assert OneToOneModule.mistakes(_options(table))

    table.write_text('[callers]\nalice = "shared"\n')
    assert _user(table, ALICE) == "someone"
    assert not OneToOneModule.mistakes(_options(table))


def test_a_table_that_never_was_right_maps_nobody_and_says_why(tmp_path: Path) -> None:
    table = tmp_path / "callers.toml"

    with pytest.raises(ChainFailed, match=r"callers.toml has 1 mistake.*FileNotFoundError") as failed:
        run_module(OneToOneModule, _options(table), ALICE, ALIASES)

    assert failed.value.module == "mapper"
    table.write_text(TABLE)
    assert _user(table, ALICE) == "alice_db"


def test_whoever_reads_while_it_is_rewritten_gets_one_of_the_two_tables(table: Path) -> None:
    texts = [TABLE, TABLE.replace("alice-db", "bob-db").replace("carol_db", "carol_2")]
    seen: set[tuple[str | None, str | None]] = set()
    stop = threading.Event()

    def write() -> None:
        fresh = table.with_suffix(".new")
        for turn in range(200):
            fresh.write_text(texts[turn % 2])
            fresh.replace(table)
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        seen.add((_user(table, ALICE), None))
    writer.join()

    assert seen <= {("alice_db", None), ("bob_db", None)}


# --- mistakes -------------------------------------------------------------------------------------------------------

WRONG = f"""
colour = "red"
[callers]
alice = ""
"@weather" = "a"
bob = 7
carol = {{ alias = "a", password = "{MARKER}" }}
dave = {{ user = "d" }}
erin = {{ alias = "a", uesr = "e" }}
"*" = "guest"
[callers.frank.smith]
alias = "x"
"""


def test_all_mistakes_of_a_table_are_told_at_once_with_their_lines_and_without_a_secret() -> None:
    problems = read_table(WRONG.encode(), "callers.toml")

    assert isinstance(problems, tuple)
    assert [(problem.code, problem.line, problem.key_path) for problem in problems] == [
        ("CF-MAP-022", 2, "colour"),
        ("CF-MAP-009", 4, "callers.alice.alias"),
        ("CF-MAP-006", 5, 'callers."@weather"'),
        ("CF-MAP-023", 6, "callers.bob"),
        ("CF-MAP-024", 7, "callers.carol.password"),
        ("CF-MAP-009", 8, "callers.dave.alias"),
        ("CF-MAP-022", 9, "callers.erin.uesr"),
        ("CF-MAP-025", 10, 'callers."*"'),
        ("CF-MAP-022", 11, "callers.frank.smith"),
        ("CF-MAP-009", 11, "callers.frank.alias"),
    ]
    assert MARKER not in repr(problems)


@pytest.mark.parametrize(("content", "line"), [(b"[callers]\na = =", 2), (b"\xff", None), (b"[callers", 1)])
def test_what_is_no_toml_is_told_with_its_line(content: bytes, line: int | None) -> None:
    problems = read_table(content, "callers.toml")

    assert isinstance(problems, tuple)
    assert [(problem.code, problem.line) for problem in problems] == [("CF-MAP-021", line)]


def test_an_empty_table_is_right_and_maps_nobody() -> None:
    assert read_table(b"", "callers.toml") == CallerTable()


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    content = f"[callers]\n{text}".encode(errors="replace")
    assert isinstance(read_table(content, "f"), CallerTable | tuple)


NAMES = st.sampled_from(["alice", "bob", "alice@a", "a@b@c"])
REALMS = st.sampled_from(["a", "b", "c"])


@given(
    st.dictionaries(st.tuples(NAMES, st.one_of(st.none(), REALMS)), st.sampled_from(["x", "y"]), max_size=6),
    NAMES,
    REALMS,
    st.sampled_from(["a", "b", "*"]),
)
def test_a_look_up_is_what_a_reader_of_the_table_would_say(
    entries: dict[tuple[str, str | None], str], name: str, realm: str, default: str
) -> None:
    table = CallerTable({Named(*key): Entry(alias) for key, alias in entries.items()})

    expected = entries.get((name, realm)) or (entries.get((name, None)) if default in ("*", realm) else None)

    found = table.entry_of(User(name, realm), default)
    assert (found.alias if found else None) == expected
