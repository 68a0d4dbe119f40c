"""One physical connection to an echo server, and the handle that applications use."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from connector.errors import AccessDenied, ConnectionFailed, LoginRefused, Reason, SignOnError
from connector.spi import (
    ConnectionDescription,
    ConnectionRequestInfo,
    IdentityAssertion,
    Lease,
    ManagedConnection,
    PasswordCredential,
    Subject,
)
from connector_echo.wire import Refused, Wire

LOGIN_REFUSED = Reason(
    "CF-ECHO-001", "the echo server refused user {user!r} or its password.", "Correct the authentication data."
)
ASSERTION_REFUSED = Reason(
    "CF-ECHO-002", "the echo server does not let this login work as {user!r}.", "Grant it to the trusted user."
)
BROKEN = Reason("CF-ECHO-003", "the connection to the echo server broke: {why}.", "Try again.")
NO_CREDENTIAL = Reason(
    "CF-ECHO-004", "the echo server needs a user, and there is none for this factory.", "Give the reference an alias."
)


def credential_for(factory: object, subject: Subject | None) -> PasswordCredential:
    """This factory's own credential: never the first one that is found. Raises SignOnError."""
    credential = subject.password_credential(factory) if subject is not None else None
    if credential is None:
        raise SignOnError(NO_CREDENTIAL)
    return credential


class EchoManagedConnection(ManagedConnection):
    """Signed on as one user, perhaps working as another. One thread at a time, as the contract says."""

    def __init__(self, wire: Wire, factory: object) -> None:
        self.wire = wire
        self._factory = factory

    def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        """Sign on, for the first time or anew. Blocks for a round trip. Raises LoginRefused, ConnectionFailed.

        After a refusal the connection is closed: the server would let it go on as the user before.
        """
        credential = credential_for(self._factory, subject)
        if not self._accepts(credential):
            self.destroy()
            # Raised where no frame holds the password in the clear.
            raise LoginRefused(LOGIN_REFUSED, user=credential.user)

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Work as the caller; the server's answer says whom it made of it."""
        try:
            became = self.ask("become", asserted.user)
        except Refused:
            raise AccessDenied(ASSERTION_REFUSED, user=asserted.user) from None
        if became != asserted.user:
            raise AccessDenied(ASSERTION_REFUSED, user=asserted.user)

    def cleanup(self) -> None:
        """The server forgets the asserted caller and the session's notes."""
        self.ask("reset")

    def destroy(self) -> None:
        """Close the socket."""
        self.wire.close()

    def describe(self) -> ConnectionDescription:
        """What the server says of itself."""
        product, version, user = self.ask("describe")
        return ConnectionDescription(product, version, user)

    def validate(self) -> bool:
        """Whether it still answers."""
        try:
            self.wire.ask("whoami")
        except (OSError, ValueError):
            return False
        return True

    def ask(self, *words: str) -> Any:
        """One round trip. A broken connection is reported, so that it is never pooled, then ConnectionFailed raised."""
        try:
            return self.wire.ask(*words)
        except (OSError, ValueError) as error:  # ValueError: the socket's file is closed
            self.connection_error_occurred(error)
            raise ConnectionFailed(BROKEN, why=type(error).__name__) from None

    def _accepts(self, credential: PasswordCredential) -> bool:
        try:
            self.ask("login", credential.user, credential.password.reveal())
        except Refused:
            return False
        return True

    def __repr__(self) -> str:
        return f"<EchoManagedConnection from port {self.wire.local_port}>"


class EchoConnection:
    """The application's handle; close it or use it in a `with` block."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    def echo(self, text: str) -> str:
        """The server's user and the text. Blocks for two round trips. Raises ConnectionFailed, HandleClosed."""
        connection = self._lease.physical
        assert isinstance(connection, EchoManagedConnection)
        return f"{connection.ask('whoami')}: {connection.ask('echo', text)}"

    def close(self) -> None:
        """Give the connection back."""
        self._lease.close()

    def __enter__(self) -> EchoConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
