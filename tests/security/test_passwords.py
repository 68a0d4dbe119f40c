"""Password hashes: salted, slow for strangers too, and readable later with other parameters."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.errors import SecurityError
from connector.security.passwords import (
    DEFAULT_COST,
    ScryptCost,
    hash_password,
    is_password_hash,
    verify_password,
)
from connector.spi import Secret

CHEAP = ScryptCost(n=2, r=1, p=1)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_the_same_password_fits_and_another_does_not(password: str) -> None:
    stored = hash_password(Secret(password), CHEAP)
    assert verify_password(Secret(password), stored)
    assert not verify_password(Secret(password + "x"), stored)


def test_a_lone_surrogate_is_a_password_like_any_other() -> None:
    stored = hash_password(Secret("a\udc80"), CHEAP)
    assert verify_password(Secret("a\udc80"), stored)
    assert not verify_password(Secret("a"), stored)


def test_an_accent_typed_in_two_ways_is_the_same_password() -> None:
    assert verify_password(Secret("Cafe\u0301"), hash_password(Secret("Caf\u00e9"), CHEAP))


def test_two_hashes_of_one_password_differ() -> None:
    assert hash_password(Secret("x"), CHEAP) != hash_password(Secret("x"), CHEAP)


def test_the_parameters_stand_in_the_hash() -> None:
    stored = hash_password(Secret("x"), ScryptCost(4, 2, 3))
    assert stored.startswith("scrypt$4$2$3$")
    assert verify_password(Secret("x"), stored, CHEAP)


def test_the_default_costs_what_it_should() -> None:
    assert DEFAULT_COST.is_sane
    assert DEFAULT_COST.memory == 16 * 2**20


def test_an_empty_password_is_refused_and_never_fits() -> None:
    with pytest.raises(SecurityError) as refused:
        hash_password(Secret(""), CHEAP)
    assert refused.value.code == "CF-SEC-020"
    salt = bytes(16)
    of_empty = hashlib.scrypt(b"", salt=salt, n=2, r=1, p=1, dklen=32)
    import base64

    stored = f"scrypt$2$1$1${base64.b64encode(salt).decode()}${base64.b64encode(of_empty).decode()}"
    assert not verify_password(Secret(""), stored)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain",
        "scrypt$2$1$1$AAAA",
        "md5$2$1$1$AAAA$AAAA",
        "scrypt$x$1$1$AAAA$AAAA",
        "scrypt$2$1$1$!$AAAA",
        "scrypt$2$1$1$AAAA$AAAA",
        "scrypt$3$1$1$AAAA$" + "A" * 43 + "=",
        "scrypt$1073741824$8$1$AAAA$" + "A" * 43 + "=",
        "scrypt$2$1$1000$AAAA$" + "A" * 43 + "=",
        "scrypt$2$0$1$AAAA$" + "A" * 43 + "=",
    ],
)
def test_a_hash_that_cannot_be_read_or_asks_too_much_fits_nothing(stored: str) -> None:
    assert not is_password_hash(stored)
    assert not verify_password(Secret("plain"), stored, CHEAP)


def test_an_unknown_user_costs_as_much_as_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = hash_password(Secret("x"), CHEAP)
    spent: list[tuple[int, int, int]] = []
    real = hashlib.scrypt

    def counting(password: bytes, **parameters: int) -> bytes:
        spent.append((parameters["n"], parameters["r"], parameters["p"]))
        return real(password, **parameters)  # type: ignore[arg-type]  # the parameters as they came

    monkeypatch.setattr(hashlib, "scrypt", counting)
    assert not verify_password(Secret("y"), stored, CHEAP)
    assert not verify_password(Secret("y"), None, CHEAP)
    assert not verify_password(Secret("y"), "torn", CHEAP)
    assert spent == [(2, 1, 1)] * 3
