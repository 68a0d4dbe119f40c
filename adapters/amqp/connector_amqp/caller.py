"""Who sent a message, as far as that can be believed (FLOW-3). Pure."""

from __future__ import annotations

from collections.abc import Callable

from connector.spi import (
    CallbackHandler,
    CallerPrincipalCallback,
    Principal,
    SecurityContext,
    Subject,
    UserPrincipal,
)
from connector_amqp.codec import Received
from connector_amqp.settings import ENGINE, NO_IDENTITY, USER_ID, Subscription


def sender_of(received: Received, subscription: Subscription, realm: str) -> Principal | None:
    """The sender by the activation's `identity`; None for nobody.

    Args:
        received: The message; its own identity is an engine's word, and nobody's where the broker is no engine.
        subscription: What the activation believes.
        realm: The application's realm, of which names without one are.
    """
    if subscription.identity == ENGINE:
        return received.message.identity
    if subscription.identity == NO_IDENTITY:
        return None
    found = received.user_id if subscription.identity == USER_ID else received.annotations.get(subscription.annotation)
    if not isinstance(found, str) or not found:
        return None
    return UserPrincipal(str(found), subscription.realm or realm)


class SenderContext(SecurityContext):
    """Asserts the sender as the caller of a work.

    Args:
        find: Answers the sender; called on the work's thread. What it raises makes the work fail.
        realm: The application's realm.
    """

    def __init__(self, find: Callable[[], Principal | None], realm: str) -> None:
        self._find = find
        self.realm = realm or None

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        """Name a user of the broker's word; an engine's own messages, and nobody's, run as nobody.

        Another container's engine is not this container's: it must not become its `Server`.
        """
        sender = self._find()
        if isinstance(sender, UserPrincipal):
            handler.handle([CallerPrincipalCallback(execution_subject, sender)])
