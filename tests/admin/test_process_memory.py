"""A server's process gives back what it doesn't need any more."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import hashlib, os, sys, threading
from connector.admin import process_memory

def resident():
    with open("/proc/self/statm") as numbers:
        return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def check():
    hashlib.scrypt(b"typed", salt=bytes(16), n=2**14, r=8, p=1, maxmem=2**26)

if "settle" in sys.argv:
    process_memory.settle_memory()
before = resident()
for _ in range(4):
    check()
    thread = threading.Thread(target=lambda: [check(), check()])
    thread.start()
    thread.join()
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that keeps large blocks")
def test_what_a_passwords_check_has_taken_goes_back_to_the_system() -> None:
    def kept(*arguments: str) -> int:
        ended = subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=True)
        return int(ended.stdout)

    assert kept() > 16 * 2**20  # as the C library does by itself
    assert kept("settle") < 4 * 2**20


def test_the_collector_looks_at_what_is_new_only() -> None:
    program = (
        "import gc; from connector.admin.process_memory import settle_memory, YOUNG_OBJECTS; settle_memory();"
        "assert gc.get_freeze_count() > 1000 and gc.get_threshold()[0] == YOUNG_OBJECTS"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
