"""The French service: on a bus of its own, asked over a link by callers of the other one."""

from __future__ import annotations

from connector import Message, MessageContext, message_driven


@message_driven(activation="jms/forecast-requests", roles_allowed={"forecaster"})
def forecast(message: Message, context: MessageContext) -> dict[str, str]:
    """Whatever the day: it is windy, and the answer says for whom."""
    return {"weatherCondition": "Windy", "for": str(context.caller_principal)}
