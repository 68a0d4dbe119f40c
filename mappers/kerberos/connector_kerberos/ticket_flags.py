"""Which tickets of a credential cache file may be passed on: reads the flags, never keys or tickets. Pure.

The file format is MIT's (version 4, big-endian): a header, the default principal, then credentials one after the other.
"""

from __future__ import annotations

import struct
from typing import Final

_VERSION_4: Final = b"\x05\x04"
_FORWARDABLE: Final = 0x40000000
#: Entries of this realm are the library's own notes, not tickets.
_NOTES: Final = "X-CACHECONF:"


def forwardable_by_server(cache: bytes) -> dict[str, bool]:
    """Server principal → whether its ticket is forwardable. Raises ValueError for another format, or half a file."""
    if cache[:2] != _VERSION_4:
        raise ValueError("this is no credential cache of version 4")
    reader = _Reader(cache)
    reader.skip(2)
    reader.skip(reader.number("H"))
    reader.principal()
    found = {}
    while not reader.at_end:
        reader.principal()
        server = reader.principal()
        reader.skip(2)
        reader.skip(reader.number("I"))  # the session key: not looked at
        reader.skip(4 * 4 + 1)  # times, and whether it is encrypted in a session key
        flags = reader.number("I")
        for _ in range(2):  # addresses, authorization data
            for _ in range(reader.number("I")):
                reader.skip(2)
                reader.skip(reader.number("I"))
        for _ in range(2):  # the ticket and a second one
            reader.skip(reader.number("I"))
        if not server.endswith(f"@{_NOTES}"):
            found[server] = bool(flags & _FORWARDABLE)
    return found


class _Reader:
    """Goes through bytes from the front. Not safe for several threads."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._data)

    def skip(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise ValueError("the credential cache ends in the middle")
        taken, self._at = self._data[self._at : end], end
        return taken

    def number(self, kind: str) -> int:
        value: int = struct.unpack(f">{kind}", self.skip(struct.calcsize(f">{kind}")))[0]
        return value

    def principal(self) -> str:
        self.skip(4)  # the name's type
        count = self.number("I")
        realm, *parts = (self.skip(self.number("I")).decode(errors="replace") for _ in range(count + 1))
        return f"{'/'.join(parts)}@{realm}"
