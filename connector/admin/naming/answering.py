"""One look-up from its plain data to its answer: rules, login, reference, audit. No sockets (CONF-6)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from connector.admin.arguments import Arguments
from connector.admin.audit_record import LONGEST_TEXT
from connector.admin.failure import Failure
from connector.admin.naming.rules import check_look_up
from connector.admin.wire import VERSION
from connector.container.configuration.settings import NamingPort
from connector.errors import ConfigError, ConnectorError, Reason, SecurityError
from connector.spi import AuditEvent, Outcome

if TYPE_CHECKING:
    from connector.container.container import Container

log = logging.getLogger("connector.admin")

#: The only thing that can be asked for.
OPERATION = "naming.lookup"

FOREIGN = Reason(
    "CF-NAM-004",
    "the request is no look-up of protocol version {known}.",
    "Use `connector lookup` of the same version as the container; administration has a port of its own.",
)


@final
class NamingAnswerer:
    """Answers look-ups. Immutable, safe to use from any thread.

    Args:
        container: The running container.
        port: What the port asks of its clients.
    """

    def __init__(self, container: Container, port: NamingPort) -> None:
        self._container = container
        self._port = port

    def answer(self, plain: Mapping[str, Any], *, peer: str, encrypted: bool) -> dict[str, Any]:
        """Answer one look-up; blocks for the password check. Never raises an Exception.

        Args:
            plain: The request, as the protocol of the admin endpoint has it (wire.py).
            peer: Where it came from, for the audit log.
            encrypted: Whether it came by TLS.

        Returns:
            The response, as wire.py describes it.
        """
        who, name = "nobody", ""
        raised: Exception | None = None
        response: dict[str, Any]
        try:
            given, fields = _parsed(plain)
            if fields is not None:
                who = f"{fields.text('user')} (unproven)"
            checked = check_look_up(
                self._container.name,
                self._port.encryption,
                self._port.login,
                encrypted=encrypted,
                has_login=fields is not None,
            )
            if checked and fields is not None:
                with self._container.login(fields.text("user"), fields.password("password")) as scope:
                    who = str(scope.subject.caller)
            name = given.text("name")
            found = self._container.naming_reference(name)
            result = {"name": name, "kind": found.kind, "adapter": found.adapter, "properties": dict(found.properties)}
            response = {"result": result}
        except Exception as error:  # noqa: BLE001 - whatever is sent, the port lives on and answers
            raised = error
            response = {"error": Failure.of(error).to_dict()}
            if not isinstance(error, ConnectorError):
                log.error("a look-up from outside failed with %s", type(error).__name__)
        self._record(who, name, peer, raised, encrypted=encrypted)
        return response

    def _record(self, who: str, name: str, peer: str, raised: Exception | None, *, encrypted: bool) -> None:
        if raised is None:
            outcome, reason = Outcome.SUCCESS, f"login {self._port.login.value}"
        else:
            outcome = Outcome.DENIED if isinstance(raised, SecurityError) else Outcome.FAILURE
            reason = Failure.of(raised).code
        details = {"name": name[:LONGEST_TEXT], "peer": peer, "encrypted": encrypted}
        self._container.audit.record(
            AuditEvent(OPERATION, who[:LONGEST_TEXT], self._container.name, outcome, reason, details)
        )


def _parsed(plain: Mapping[str, Any]) -> tuple[Arguments, Arguments | None]:
    """The arguments, and the fields of the login if there is one. Raises ConfigError CF-NAM-004."""
    if plain.get("version") != VERSION or plain.get("operation") != OPERATION:
        raise ConfigError(FOREIGN, known=VERSION)
    given, login = plain.get("arguments"), plain.get("login")
    arguments = Arguments(given if isinstance(given, Mapping) else {})
    return arguments, Arguments(login) if isinstance(login, Mapping) else None
