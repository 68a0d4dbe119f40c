"""Tests pay little for what passwords make, and never twice; programs that they start pay what anybody pays."""

from __future__ import annotations

import functools
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support_derivations import remember_derivations

from connector import Secret
from connector.security.passwords import ScryptCost, hash_password, verify_password

#: What a program makes of a password and of a passphrase.
PROGRAM = """
import pathlib
from connector import Secret
from connector.security.file_registry import FileUserRegistry
from connector.security.key_derivation import new_derivation
from connector.security.passwords import ScryptPasswords, hash_password
FileUserRegistry("r", pathlib.Path("users.toml")).add_user("alice", Secret("x"))
users = [line for line in pathlib.Path("users.toml").read_text().splitlines() if "scrypt$" in line]
for hashed in (*users, ScryptPasswords().hash(Secret("x")), hash_password(Secret("x"))):
    print(hashed[hashed.index("scrypt$"):].split("$")[1:4])
print(new_derivation(Secret("x"))[0].cost)
"""
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


def test_a_hash_that_nobody_said_the_cost_of_is_cheap_here() -> None:
    assert hash_password(Secret("x")).startswith("scrypt$2$1$1$")


def test_a_program_pays_the_whole_price_by_default(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['16384', '8', '5']"] * 3 + ["ScryptCost(n=131072, r=8, p=1)"]
