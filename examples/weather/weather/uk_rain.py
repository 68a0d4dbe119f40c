"""Another UK service: whatever the day, it rains. Replaces `weather.uk` by one line of uk-weather.toml."""

from __future__ import annotations

from connector import Message, MessageContext, message_driven


@message_driven(activation="jms/forecast-requests", roles_allowed={"forecaster"})
def forecast(message: Message, context: MessageContext) -> dict[str, str]:
    """Rain."""
    return {"weatherCondition": "Rain"}
