"""A container in a process of its own, with nothing in it but two buses alike, one secured and one not, on the wire.

`python -m benchmarks.wire_server FOLDER` makes the profile, says `READY` with its ports, and ends with its input.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connector import Container, Secret
from connector.admin.process_memory import settle_memory
from connector.security.file_registry import FileUserRegistry
from connector.security.tls.generated import generate_key_store
from connector.security.tls.signer import as_pem

USER = "application"
PASSWORD = "only for the measurement"

_CONFIGURATION = """
[container]
name = "bench"
state = "state"
[realms.bench]
path = "users.toml"
[tls.node]
key_store = "node.pem"
[chains.InboundBasicMessaging]
port = 0
default_bus = "secured"
[chains.InboundSecureMessaging]
port = 0
tls = "node"
default_bus = "secured"
"""
_BUS = """
[buses.{name}]
security = {security}
permitted_chains = "all"
roles = {{ connector = ["user:application"] }}
destinations = {{ transient = {{}}, durable = {{}} }}
"""


def main() -> None:
    """Run until the input ends."""
    folder = Path(sys.argv[1])
    buses = "".join(_BUS.format(name=name, security=on) for name, on in (("secured", "true"), ("open", "false")))
    configuration = folder / "connector.toml"
    configuration.write_text(_CONFIGURATION + buses, encoding="utf-8")
    FileUserRegistry("bench", folder / "users.toml").add_user(USER, Secret(PASSWORD), ["applications"])
    store = generate_key_store("node", datetime.now(UTC), hosts=("localhost", "127.0.0.1"))
    (folder / "node.pem").write_bytes(store.pem())
    (folder / "node.pem").chmod(0o600)
    (folder / "node.crt").write_bytes(as_pem(store.certificate))
    with Container.open(configuration, environ={}) as container:
        settle_memory()  # as `connector run` does
        adapter: Any = container._parts.adapters["bus"]
        print("READY", json.dumps(adapter._listeners.ports()), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
