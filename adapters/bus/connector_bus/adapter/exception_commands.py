"""What failed, for whoever looks after it: listed, shown, given back to where it failed, or discarded (BUS-11, BUS-12).

`replay` and `discard` work on a part of the exception destination at a time and say where they got to, so that a long
work shows its progress, may be interrupted, and goes on where it was; each message is moved as one unit of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from connector.errors import ConnectorError, MessagingError, NameNotFound, Reason
from connector.spi import UNAUTHENTICATED, Message
from connector_bus.adapter.bus import Bus
from connector_bus.engine.destination import Destination
from connector_bus.engine.queue_state import Entry
from connector_bus.policy.definition import ROOT
from connector_bus.store.record import StoredMessage

MESSAGE_UNKNOWN = Reason(
    "CF-BUS-062",
    "the exception destination {destination} of bus {bus} holds no message {message}",
    "See `connector bus exceptions list {bus}`; it may have been replayed, discarded or received meanwhile.",
)
NO_PLACE = Reason(
    "CF-BUS-063",
    "message {message} does not say where it failed",
    "Name the destination that it is to go to.",
)

#: How many messages one call works on unless it says otherwise.
BATCH: Final = 100
PREFIX: Final = "exception_"


def exceptions(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """The messages that failed, with why, where, when and how often; without their bodies."""
    destination = _destination(arguments, bus)
    return {
        "bus": bus.name,
        "destination": destination.name,
        "messages": [_listed(stored.message()) for _, stored in _held(bus, destination)],
    }


def exception(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """One of them, with all of its properties; without its body. Raises NameNotFound CF-BUS-062."""
    destination, wanted = _destination(arguments, bus), str(arguments.get("message"))
    for _, stored in _held(bus, destination):
        message = stored.message()
        if message.message_id == wanted:
            told = {name: value for name, value in message.properties.items() if not name.startswith(PREFIX)}
            return {**_listed(message), "priority": message.priority, "reply_to": message.reply_to, "properties": told}
    raise NameNotFound(MESSAGE_UNKNOWN, destination=destination.name, bus=bus.name, message=wanted)


def replay(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Give messages back to where they failed, under the identity that they carry, as if they had just been sent.

    One that can't go there stays and is told with the reason. See `_worked_off` for arguments and answer.
    """
    to = arguments.get("to")

    def give_back(destination: Destination, entry: Entry, stored: StoredMessage) -> None:
        message = stored.message()
        where = to or message.properties.get("exception_destination")
        if not isinstance(where, str):
            raise MessagingError(NO_PLACE, message=message.message_id)
        # What failed at a subscription goes back to it, and to no other that has had it.
        subscription = bus.engine.topics.find(where)
        name = where if subscription is None else subscription.record.space
        # Going on is sending: the identity in the message is asked, as at each destination on its way (BUS-8).
        route = bus.engine.require_sender(bus.access.subject_of(message.identity), name, message.topic or ROOT)
        own = {name: value for name, value in message.properties.items() if not name.startswith(PREFIX)}
        fresh = bus.engine.accept(
            message.replace(properties=MappingProxyType(own), destination=name),
            name,
            message.identity or UNAUTHENTICATED,
            message_id=message.message_id,
            timestamp=message.timestamp,
            mediated=None if subscription is None else True,
        )
        if subscription is not None:
            fresh = replace(fresh, place=subscription.place)
        bus.engine.commit(bus.engine.fan_out(route, fresh), ((destination.queue, entry),))

    return _worked_off(arguments, bus, give_back)


def discard(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Throw messages away for good. See `_worked_off` for arguments and answer."""
    return _worked_off(
        arguments, bus, lambda destination, entry, _stored: bus.engine.commit((), ((destination.queue, entry),))
    )


def _worked_off(
    arguments: Mapping[str, Any], bus: Bus, work: Callable[[Destination, Entry, StoredMessage], None]
) -> dict[str, Any]:
    """Work on some messages of an exception destination.

    Arguments: `messages`, a list of ids (all without it); `limit`, how many; `after` and `until`, as the call before
    answered them: where it got to, and the last one that was there at first, so that none is taken twice.
    Answers these, how many were `done`, which `failed` and why, and how many are `left`.
    """
    destination, chosen = _destination(arguments, bus), _chosen(arguments)
    after, limit = int(arguments.get("after") or 0), int(arguments.get("limit") or BATCH)
    present = sorted(destination.queue.entries(), key=_sequence)
    until = int(arguments.get("until") or (present[-1].sequence if present else after))
    todo = [entry for entry in present if after < entry.sequence <= until]
    done, failed = 0, []
    part = todo if chosen else todo[:limit]
    for each in part:
        entry = destination.queue.claim(each)
        if entry is None:
            continue  # somebody receives it at this moment
        name: str | None = None
        try:
            stored = bus.engine.fetch(destination.name, entry)
            name = stored.header.message_id
            if chosen and name not in chosen:
                destination.queue.release(entry)
                continue
            work(destination, entry, stored)
            done += 1
        except ConnectorError as error:
            destination.queue.release(entry)
            failed.append({"message": name, "code": error.code, "text": error.text})
        except BaseException:
            destination.queue.release(entry)
            raise
    return {
        "bus": bus.name,
        "destination": destination.name,
        "done": done,
        "failed": failed,
        "after": part[-1].sequence if part else after,
        "until": until,
        "left": len(todo) - len(part),
    }


def _destination(arguments: Mapping[str, Any], bus: Bus) -> Destination:
    name = str(arguments.get("destination") or bus.settings.exception_destination)
    return bus.engine.destinations.get(bus.engine.destinations.route(name).name)


def _chosen(arguments: Mapping[str, Any]) -> Collection[str]:
    named = arguments.get("messages") or ()
    return frozenset(map(str, named))


def _held(bus: Bus, destination: Destination) -> Iterator[tuple[Entry, StoredMessage]]:
    for entry in destination.queue.entries():
        stored = entry.stored or bus.engine.store.read(entry.sequence)
        if stored is not None:
            yield entry, stored


def _sequence(entry: Entry) -> int:
    return entry.sequence


def _listed(message: Message) -> dict[str, Any]:
    told = message.properties
    return {
        "message": message.message_id,
        "identity": str(message.identity or UNAUTHENTICATED),
        "sent": message.timestamp,
        "failed": told.get("exception_time"),
        "at": told.get("exception_destination"),
        "attempts": told.get("exception_attempts"),
        "reason": told.get("exception_reason"),
        "text": told.get("exception_text"),
        "cause": told.get("exception_cause"),
    }
