"""One request as a work: its caller is established, the handler is called, its answer is the reply (FLOW-3, FLOW-5)."""

from __future__ import annotations

from typing import Any, final

from connector.spi import (
    CallbackHandler,
    CallerPrincipalCallback,
    Message,
    MessageEndpointFactory,
    PasswordValidationCallback,
    SecurityContext,
    Subject,
    UserPrincipal,
    Work,
)
from connector_http.request import Credentials


class BasicContext(SecurityContext):
    """Has the password checked and names its user as the caller; without credentials the caller is nobody.

    Args:
        credentials: Who asks, or None.
        realm: The application's realm.
    """

    def __init__(self, credentials: Credentials | None, realm: str) -> None:
        self._credentials = credentials
        self.realm = realm or None
        self._of = realm

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        """Both callbacks in one call: a wrong password fails the set-up, and nothing is run."""
        who = self._credentials
        if who is not None:
            handler.handle(
                [
                    PasswordValidationCallback(execution_subject, who.user, who.password),
                    CallerPrincipalCallback(execution_subject, UserPrincipal(who.user, self._of)),
                ]
            )


@final
class Delivery(Work):
    """Delivers one request; the work's result is what the handler answers.

    Args:
        factory: The handler's endpoints.
        message: The request.

    Attributes:
        ran: Whether the caller was established, and the handler was to be called.
    """

    def __init__(self, factory: MessageEndpointFactory, message: Message) -> None:
        self._factory = factory
        self._message = message
        self.ran = False

    def run(self) -> Any:
        """Call the handler, in a unit of work where it is transacted. Raises what it raises."""
        self.ran = True
        endpoint = self._factory.create_endpoint()
        try:
            endpoint.before_delivery()
            try:
                return endpoint.deliver(self._message)
            finally:
                endpoint.after_delivery()
        finally:
            endpoint.release()
