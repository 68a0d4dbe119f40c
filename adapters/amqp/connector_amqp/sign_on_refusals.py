"""Why a broker has not let us sign on, in our terms. Pure."""

from __future__ import annotations

from connector.errors import ConnectionFailed, ConnectorError, LoginRefused, Reason, SignOnError
from connector_amqp.sasl import Identification, SaslClient, SaslFailure

LOGIN_REFUSED = Reason(
    "CF-AMQP-012",
    "{broker} refuses user {user} with its password.",
    "Correct the password where it is kept, with `connector auth-data set` for an alias.",
)
NOT_OFFERED = Reason(
    "CF-AMQP-013",
    "{broker} takes no client {wanted}; it offers {offered}.",
    "Give the reference or activation an alias, where the broker wants a user (naming.provider.connection_alias for a "
    "connection factory that was looked up outside); or let the broker offer the other.",
)
PLAIN_TEXT = Reason(
    "CF-AMQP-014",
    "the password of {user} was not sent to {broker}: the connection is in plain text.",
    "Name a TLS configuration with tls (naming.provider.connection_tls for a connection factory that was looked up "
    "outside); or set allow_plain_passwords = true, where nobody can listen.",
)
NO_AMQP = Reason(
    "CF-AMQP-015",
    "{broker} does not answer as an AMQP 1.0 broker: {why}",
    "See whether the endpoint is right, and whether it wants TLS (naming.provider.connection_tls for a connection "
    "factory that was looked up outside).",
)
SYSTEM_TROUBLE = Reason(
    "CF-AMQP-016", "{broker} can't tell now who {user} is: {why}", "Try again later; see the broker's log."
)


def refused_sign_on(broker: str, who: Identification, sasl: SaslClient) -> ConnectorError:
    """The error for an exchange that has failed.

    Args:
        broker: The endpoint, as text.
        who: Who we have said that we are.
        sasl: The exchange.
    """
    user = "nobody" if who.credential is None else who.credential.user
    if sasl.failure is SaslFailure.REFUSED:
        return LoginRefused(LOGIN_REFUSED, broker=broker, user=user)
    if sasl.failure is SaslFailure.NOT_OFFERED:
        wanted = "password" if who.credential else "certificate" if who.external else "no name"
        return SignOnError(NOT_OFFERED, broker=broker, wanted=wanted, offered=sasl.reason)
    if sasl.failure is SaslFailure.PLAIN_TEXT:
        return SignOnError(PLAIN_TEXT, broker=broker, user=user)
    if sasl.failure is SaslFailure.SYSTEM:
        return ConnectionFailed(SYSTEM_TROUBLE, broker=broker, user=user, why=sasl.reason)
    return ConnectionFailed(NO_AMQP, broker=broker, why=sasl.reason)
