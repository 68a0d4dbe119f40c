"""Two ends of a TLS connection, for tests: what came of the handshake on either side."""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from connector.security.tls.generated import generate_key_store
from connector.security.tls.key_store import KeyStore
from connector.security.tls.signer import as_pem

NOW = datetime.now(UTC)


@dataclass
class Handshake:
    """What came of one.

    Attributes:
        server_error, client_error: What the side raised, or None.
        peer: The client's certificate as the server saw it, in DER; None for none.
    """

    server_error: Exception | None = None
    client_error: Exception | None = None
    peer: bytes | None = None

    @property
    def succeeded(self) -> bool:
        """Whether both sides are content."""
        return self.server_error is None and self.client_error is None


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, host: str = "localhost") -> Handshake:
    """One connection over a pair of sockets: handshake, one byte to and fro."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    theirs.settimeout(10)
    result = Handshake()

    def serve() -> None:
        try:
            with server.wrap_socket(ours, server_side=True) as secured:
                result.peer = secured.getpeercert(binary_form=True)
                secured.sendall(secured.recv(1))
        except (OSError, ssl.SSLError) as error:
            result.server_error = error
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs, server_hostname=host) as secured:
            secured.sendall(b"x")
            if secured.recv(1) != b"x":  # TLS 1.3: that the client was refused is only heard now
                raise ConnectionResetError("the server has closed")
    except (OSError, ssl.SSLError) as error:
        result.client_error = error
        theirs.close()
    thread.join()
    return result


def profile_keys(folder: Path, name: str) -> KeyStore:
    """A generated key store as `NAME.pem` and its certificate alone as `NAME.crt`."""
    store = generate_key_store(name, NOW, hosts=("localhost", "127.0.0.1"))
    (folder / f"{name}.pem").write_bytes(store.pem())
    (folder / f"{name}.crt").write_bytes(as_pem(store.certificate))
    return store
