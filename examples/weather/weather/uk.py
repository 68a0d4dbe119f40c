"""The UK service: answers, writes into the forecast log who asked, signed on as that caller, and publishes it."""

from __future__ import annotations

from sqlalchemy import text

from connector import Message, MessageContext, message_driven

#: The log's columns `asked_by` and `connected_as` are filled by the database itself, where it has users.
INSERT = text("INSERT INTO forecast_log (caller, location, day) VALUES (:caller, :location, :day)")


@message_driven(activation="jms/forecast-requests", roles_allowed={"forecaster"}, transacted=True)
def forecast(message: Message, context: MessageContext) -> dict[str, str]:
    """On Tuesday it is sunny, on any other day cloudy."""
    request = message.body
    with context.lookup("jdbc/log").get_connection() as connection:
        row = {"caller": context.caller_principal.name, "location": request["location"], "day": request["day"]}
        connection.execute(INSERT, row)
        connection.commit()
    answer = {"weatherCondition": "Sunny" if request["day"] in {"Tuesday", "Tue"} else "Cloudy"}
    with context.lookup("jms/weather").get_connection() as bus:
        bus.send("forecasts", answer, topic=f"UK/{request['day']}")
    return answer
