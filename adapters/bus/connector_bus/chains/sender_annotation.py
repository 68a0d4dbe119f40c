"""Who sent a message, as the engine knows it, for the client that gets it: delivery annotations (BUS-8, FLOW-3).

That section belongs to the hop and is cut off from what comes in, so no client can write it.
"""

from __future__ import annotations

from typing import Final

from connector.spi import Principal, ServerPrincipal, UnauthenticatedPrincipal

USER: Final = "x-opt-connector-user"
REALM: Final = "x-opt-connector-realm"
SERVER: Final = "x-opt-connector-server"


def sender_section(sender: Principal | None) -> bytes:
    """The section; nothing for a message of nobody's. Pure."""
    if sender is None or isinstance(sender, UnauthenticatedPrincipal):
        return b""
    entries = [(USER, _string(sender.name)), (REALM, _string(sender.realm))]
    if isinstance(sender, ServerPrincipal):
        entries.append((SERVER, b"\x41"))
    content = b"".join(b"\xa3" + bytes((len(name),)) + name.encode() + value for name, value in entries)
    size, count = (len(content) + 4).to_bytes(4, "big"), (2 * len(entries)).to_bytes(4, "big")
    return b"\x00\x53\x71\xd1" + size + count + content


def _string(text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    return b"\xa1" + bytes((len(data),)) + data if len(data) < 256 else b"\xb1" + len(data).to_bytes(4, "big") + data
