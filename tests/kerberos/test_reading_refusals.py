"""Error codes and ticket flags are read by number, whatever language or version the library speaks. No KDC needed."""

from __future__ import annotations

import struct
import sys

import pytest

from connector.errors import ConfigError, ConnectionFailed, LoginRefused
from connector_kerberos.constrained import what_is_missing
from connector_kerberos.keytab import KeytabTickets
from connector_kerberos.refusals import refusal, signed
from connector_kerberos.ticket_flags import forwardable_by_server

BASE = -1765328384
FORWARDABLE = 0x40000000


def test_without_the_package_that_is_said_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gssapi", None)

    with pytest.raises(ConfigError, match="CF-KRB-010") as missing, KeytabTickets("/k", "web/h@R").cache_for("x@h"):
        raise AssertionError("there is no ticket")

    assert "libkrb5-dev" in missing.value.action


def test_a_code_without_sign_is_counted_as_kerberos_does() -> None:
    assert signed(2**32 + BASE + 37) == signed(BASE + 37) == BASE + 37
    assert signed(100001) == 100001


@pytest.mark.parametrize(
    ("number", "code", "kind"),
    [
        (156, "CF-KRB-020", ConnectionFailed),
        (37, "CF-KRB-021", ConnectionFailed),
        (32, "CF-KRB-022", ConnectionFailed),
        (18, "CF-KRB-023", LoginRefused),
        (6, "CF-KRB-023", LoginRefused),
        (24, "CF-KRB-024", LoginRefused),
        (7, "CF-KRB-025", LoginRefused),
        (12, "CF-KRB-026", LoginRefused),
        (99, "CF-KRB-029", ConnectionFailed),
    ],
)
def test_only_what_the_kdc_refused_is_a_refusal(number: int, code: str, kind: type[ConnectionFailed]) -> None:
    error = refusal(2**32 + BASE + number, "its words", "alice@R", "postgres@db")

    assert (error.code, type(error)) == (code, kind)
    assert "its words" in error.text


def _data(*parts: str) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part.encode() for part in parts)


def _principal(name: str, realm: str) -> bytes:
    parts = name.split("/")
    return struct.pack(">II", 1, len(parts)) + _data(realm, *parts)


def _ticket(server: str, flags: int, realm: str = "R") -> bytes:
    key, times = struct.pack(">H", 18) + _data("KEY"), bytes(4 * 4 + 1)
    addresses = struct.pack(">I", 1) + struct.pack(">H", 2) + _data("ADDRESS")
    rest = addresses + struct.pack(">I", 0) + _data("TICKET", "")
    return _principal("alice", "R") + _principal(server, realm) + key + times + struct.pack(">I", flags) + rest


def _cache(*tickets: bytes) -> bytes:
    header = struct.pack(">HH", 1, 8) + bytes(8)
    return b"\x05\x04" + struct.pack(">H", len(header)) + header + _principal("alice", "R") + b"".join(tickets)


def test_the_flags_of_tickets_are_read_and_the_librarys_notes_passed_over() -> None:
    cache = _cache(
        _ticket("krbtgt/R", FORWARDABLE | 1), _ticket("krb5_ccache_conf_data/x", 0, "X-CACHECONF:"), _ticket("web/h", 0)
    )

    assert forwardable_by_server(cache) == {"krbtgt/R@R": True, "web/h@R": False}
    assert forwardable_by_server(_cache()) == {}


@pytest.mark.parametrize("cache", [b"", b"\x05\x03", _cache(_ticket("web/h", 0))[:-3], _cache()[:10]])
def test_half_a_cache_or_another_format_is_no_cache(cache: bytes) -> None:
    with pytest.raises(ValueError, match="credential cache"):
        forwardable_by_server(cache)


@pytest.mark.parametrize(
    ("own", "in_name", "code"),
    [
        ({"krbtgt/R@R": False}, {"web/h@R": True}, "CF-KRB-030"),
        ({"krbtgt/R@R": True}, {"web/h@R": False}, "CF-KRB-031"),
        ({"krbtgt/R@R": True}, {"web/h@R": True}, "CF-KRB-032"),
        ({}, {}, "CF-KRB-032"),
    ],
)
def test_what_is_missing_follows_from_the_tickets_that_were_got(
    own: dict[str, bool], in_name: dict[str, bool], code: str
) -> None:
    assert what_is_missing(own, in_name, "web/h@R").code == code
