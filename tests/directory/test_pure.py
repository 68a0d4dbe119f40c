"""What decides without a directory: filters, what may be a name, windows of time, settings, what is declared."""

from __future__ import annotations

import threading
import tomllib
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_security import FixedClock

import connector_ldap
from connector.container.plugins.descriptor_shape import PropertyShape
from connector.errors import ConfigError, PluginError
from connector.spi import Secret
from connector_ldap.durations import seconds
from connector_ldap.entries import Entry, both, can_be_a_name, either, equals
from connector_ldap.failures import Kind, server_failed
from connector_ldap.gso_settings import read_options
from connector_ldap.registry import ldap_registry
from connector_ldap.registry_settings import read_settings
from connector_ldap.window_cache import WindowCache

FOLDER = Path(str(connector_ldap.__file__)).parent


def _unescaped(filter_text: str) -> str:
    """What a server reads as the value of `(a=…)`; raises where there is syntax in it (RFC 4515)."""
    value, found, at = filter_text.removeprefix("(a=").removesuffix(")"), "", 0
    while at < len(value):
        if value[at] == "\\":
            found += chr(int(value[at + 1 : at + 3], 16))
            at += 3
            continue
        assert value[at] not in "()*\0"
        found += value[at]
        at += 1
    return found


@given(st.text())
def test_a_value_in_a_filter_is_that_value_and_no_syntax(value: str) -> None:
    assert _unescaped(equals("a", value)) == value


def test_filters_are_put_together() -> None:
    assert both("(a=1)", equals("b", "*")) == "(&(a=1)(b=\\2a))"
    assert either(equals("b", v) for v in "xy") == "(|(b=x)(b=y))"


def test_a_name_is_printable_and_has_an_end() -> None:
    assert all(can_be_a_name(name) for name in ("alice", "o'hara, mary", "田中", "*"))
    assert not any(can_be_a_name(name) for name in ("", " a", "a ", "a\0", "a\nb", "\udc80", "a" * 257, "a\u200b"))


def test_values_that_are_no_text_are_left_out() -> None:
    entry = Entry("cn=x", {"cn": (b"x", b"\xff")})
    assert entry.texts("CN") == ("x",)
    assert "x" not in repr(Entry("", entry.values))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("250ms", 0.25), ("30s", 30), ("5 m", 300), ("1h", 3600), (7, 7), (0.5, 0.5)],
)
def test_durations_are_read_like_the_framework_s(value: object, expected: float) -> None:
    assert seconds(value) == expected


@pytest.mark.parametrize("value", ["", "5", "soon", "-1s", -1, True, float("nan"), float("inf"), None, []])
def test_what_is_no_duration_is_none(value: object) -> None:
    assert seconds(value) is None


class TestWindowCache:
    def test_a_value_is_kept_to_the_end_of_its_window_and_not_longer(self) -> None:
        clock, loads = FixedClock(), iter(range(10))
        cache: WindowCache[int] = WindowCache(10, clock)
        assert [cache.get("a", lambda: next(loads)) for _ in range(2)] == [0, 0]
        clock.now += 9
        assert cache.get("b", lambda: next(loads)) == 1
        clock.now += 1  # b is one second old, and its window is over
        assert cache.get("b", lambda: next(loads)) == 2

    def test_nothing_is_not_kept_and_neither_is_a_failure(self) -> None:
        cache: WindowCache[str] = WindowCache(10, FixedClock())

        def fail() -> str:
            raise OSError

        assert cache.get("a", lambda: None) is None
        with pytest.raises(OSError):
            cache.get("a", fail)
        assert cache.get("a", lambda: "found") == "found"

    def test_what_was_asked_for_before_a_change_is_not_kept_after_it(self) -> None:
        for forget_one in (True, False):
            cache: WindowCache[str] = WindowCache(10, FixedClock())
            asked, changed = threading.Event(), threading.Event()

            def load(asked: threading.Event = asked, changed: threading.Event = changed) -> str:
                asked.set()
                assert changed.wait(10)
                return "old"

            thread = threading.Thread(target=cache.get, args=("a", load))
            thread.start()
            assert asked.wait(10)
            cache.forget_one("a") if forget_one else cache.forget()
            changed.set()
            thread.join(10)
            assert cache.get("a", lambda: "new") == "new"

    def test_its_revision_changes_with_time_and_with_what_is_forgotten(self) -> None:
        clock = FixedClock()
        cache: WindowCache[str] = WindowCache(10, clock)
        seen = [cache.revision(), cache.revision()]
        clock.now += 10
        seen.append(cache.revision())
        cache.forget()
        seen.append(cache.revision())
        cache.forget_one("a")
        seen.append(cache.revision())
        assert seen == [1, 1, 2, 3, 4]

    def test_one_of_no_length_keeps_nothing(self) -> None:
        cache, loads = WindowCache[int](0, FixedClock()), iter(range(10))
        assert [cache.get("a", lambda: next(loads)) for _ in range(3)] == [0, 1, 2]


def test_a_failure_of_the_library_is_told_by_kind_and_without_its_frames() -> None:
    class INVALID_CREDENTIALS(Exception):  # noqa: N801 - named like the library's
        pass

    class OTHER(Exception):
        pass

    assert server_failed(INVALID_CREDENTIALS({"desc": "Invalid credentials"})).kind is Kind.REFUSED
    failed = server_failed(OTHER({"desc": "Other", "info": "line\nbreak" + "x" * 500}))
    assert failed.kind is Kind.WRONG
    assert failed.why.startswith("Other, linebreakxxx")
    assert len(failed.why) == 200
    assert server_failed(OTHER()).why == "OTHER"


def test_without_the_library_that_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> NoReturn:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr("connector_ldap.library.import_module", absent)
    with pytest.raises(PluginError) as refused:
        ldap_registry("shop", {})
    assert refused.value.code == "CF-LDAP-001"
    assert "connector-framework[ldap]" in refused.value.action


def test_an_option_s_default_is_the_declared_one() -> None:
    declared = tomllib.loads((FOLDER / "mapper.toml").read_text())["mappers"]["ldap-gso"]["options"]
    given = {"urls": ["ldaps://x"], "alias": "a", "realm": "r", "base": "b"}
    assert {name for name, one in declared.items() if one.get("required")} == set(given)
    defaults = {name: one["default"] for name, one in declared.items() if "default" in one}
    assert read_options({**given, **defaults}) == read_options(given)
    assert all(PropertyShape.model_validate(one).declared(name).doc for name, one in declared.items())


def test_a_realm_s_default_is_the_declared_one() -> None:
    declared = tomllib.loads((FOLDER / "plugin.toml").read_text())["sections"]["realms"]["properties"]
    given = {"urls": ["ldaps://x"], "bind_dn": "cn=a", "bind_password": Secret("b"), "base": "b"}
    assert {name for name, one in declared.items() if one.get("required")} == set(given)
    defaults = {name: one["default"] for name, one in declared.items() if "default" in one}
    assert read_settings("r", {**given, **defaults}) == read_settings("r", given)


@pytest.mark.parametrize(
    ("name", "value"),
    [("bind_password", Secret("")), ("bind_password", "plain"), ("bind_dn", ""), ("groups", "both"), ("base", " ")],
)
def test_a_realm_s_setting_that_can_t_be_used_is_named(name: str, value: object) -> None:
    given = {"urls": ["ldaps://x"], "bind_dn": "cn=a", "bind_password": Secret("b"), "base": "b"}
    with pytest.raises(ConfigError, match=f"CF-LDAP-002.*{name}"):
        read_settings("r", {**given, name: value})
