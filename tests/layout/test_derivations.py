"""Tests don't pay twice for the same check of a password, and each check still is one."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import pytest
from support_derivations import remember_derivations

from connector import Secret
from connector.security.passwords import ScryptCost, hash_password, verify_password

CHEAP = ScryptCost(n=2, r=1, p=1)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What scrypt itself was asked."""
    real, asked = getattr(hashlib.scrypt, "__wrapped__", hashlib.scrypt), []

    @functools.wraps(real)
    def scrypt(password: bytes, **cost: Any) -> bytes:
        asked.append(password)
        return bytes(real(password, **cost))

    monkeypatch.setattr(hashlib, "scrypt", scrypt)
    remember_derivations()
    return asked


def test_the_same_check_is_worked_out_once(asked: list[bytes]) -> None:
    stored = hash_password(Secret("x"), CHEAP)
    assert [verify_password(Secret("x"), stored) for _ in range(3)] == [True] * 3
    assert asked == [b"x"]


def test_another_password_and_another_salt_are_other_checks(asked: list[bytes]) -> None:
    one, other = (hash_password(Secret("x"), CHEAP) for _ in range(2))
    assert one != other
    assert not verify_password(Secret("y"), one)
    assert not verify_password(Secret("y"), other)
    assert asked == [b"x", b"x", b"y", b"y"]
