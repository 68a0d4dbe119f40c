"""Mediations: what a handler gets, how it is loaded, and how a chain of them treats one message (BUS-10)."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias, final

from connector.errors import ConfigError, ConnectorError, MessagingError, Reason
from connector.spi import UNAUTHENTICATED, Message, Principal
from connector_bus.engine.intake import new_message_id
from connector_bus.selector.selector import Selector, parse_selector
from connector_bus.settings import DestinationSettings, MediationSettings

HANDLER_NOT_LOADABLE = Reason(
    "CF-BUS-006",
    "the mediation {handler} of {destination} on bus {bus} can't be loaded: {cause}",
    "Name an importable module and a function in it, as module:function.",
)
HANDLER_UNFIT = Reason(
    "CF-BUS-007",
    "the mediation {handler} of {destination} on bus {bus} is no plain function",
    "Write it as `def`: mediations run on the engine's own work, one message at a time.",
)
NO_ROUTE = Reason(
    "CF-BUS-040",
    "no route from {destination} on bus {bus}: {text}",
    "Correct the message, or teach the mediation the way; the message stands in the exception destination.",
)
MEDIATION_FAILED = Reason(
    "CF-BUS-041",
    "the mediation {handler} of {destination} on bus {bus} raised {cause}",
    "Correct the mediation; the message is given to it again, up to its limit.",
)
RESULT_UNFIT = Reason(
    "CF-BUS-042",
    "the mediation {handler} of {destination} on bus {bus} returned {found}",
    "Return a Message, a list of Messages, or None to drop the message.",
)

Handler: TypeAlias = Callable[[Message, "MediationContext"], Any]


@final
@dataclass(frozen=True, slots=True)
class MediationContext:
    """What a mediation knows beyond the message.

    Attributes:
        bus: The bus.
        destination: The destination that is mediated.
        properties: What the deployer told this mediation.
        identity: Whom the messages are from that it creates: the user that it runs as, or nobody.
    """

    bus: str
    destination: str
    properties: Mapping[str, Any]
    identity: Principal = UNAUTHENTICATED

    def reset_identity(self, message: Message) -> Message:
        """The message as the mediation's own; to be returned by the handler.

        From here on the mediation's identity is the one that is checked, and the one that receivers see (BUS-8).
        """
        return message.replace(identity=self.identity)

    def route(self, message: Message, destination: str) -> Message:
        """The message on its way to another destination of this bus; to be returned by the handler.

        The identity in the message needs the sender role there (BUS-8).
        """
        return message.replace(destination=destination)

    def no_route(self, text: str) -> NoReturn:
        """Say that the message can't go anywhere: it goes to the exception destination, the requester is told.

        Raises MessagingError CF-BUS-040.
        """
        raise MessagingError(NO_ROUTE, bus=self.bus, destination=self.destination, text=text)


@final
@dataclass(frozen=True, slots=True)
class Mediation:
    """One loaded mediation.

    Attributes:
        name: `module:function`.
        handler: The function.
        context: What it is told.
        selector: Which messages it sees; None for all.
    """

    name: str
    handler: Handler
    context: MediationContext
    selector: Selector | None = None

    def sees(self, message: Message) -> bool:
        """Whether it is shown a message. What it is not shown goes by as it is."""
        return self.selector is None or self.selector.matches(message)

    def mediate(self, message: Message) -> Sequence[Message]:
        """Call the handler; blocks for as long as it runs.

        Raises what the handler raised of ours (CF-BUS-040), else MessagingError CF-BUS-041 or -042.
        """
        place = {"handler": self.name, "destination": self.context.destination, "bus": self.context.bus}
        try:
            result = self.handler(message, self.context)
        except ConnectorError:
            raise
        except BaseException as error:  # `sys.exit` as well: it must not take the message along
            raise MessagingError(MEDIATION_FAILED, cause=type(error).__name__, **place) from error
        if result is None:
            return ()
        results = [result] if isinstance(result, Message) else result
        if not isinstance(results, list | tuple) or not all(isinstance(each, Message) for each in results):
            raise MessagingError(RESULT_UNFIT, found=f"a value of type {type(result).__name__}", **place)
        return tuple(self._identified(message, each) for each in results)

    def _identified(self, given: Message, result: Message) -> Message:
        """Whose a result is: what carries the id of the message given is that message, or a copy of it, and stays
        whose that was unless the mediation made it its own; all else the mediation has created (BUS-8).
        """
        mine = self.context.identity
        if result.message_id != given.message_id:
            return result.replace(identity=mine, message_id=new_message_id())
        return result.replace(identity=mine if result.identity == mine else given.identity)


def load_mediations(
    bus: str, destination: DestinationSettings, identity: Callable[[str | None], Principal]
) -> tuple[Mediation, ...]:
    """Import the mediations of a destination; `identity` says whom one is that runs as a user, or as nobody special.

    Raises ConfigError CF-BUS-006 or -007.
    """
    return tuple(_load(bus, destination.name, each, identity(each.run_as)) for each in destination.mediations)


def mediate(chain: Sequence[Mediation], message: Message) -> tuple[Message, ...]:
    """Lead a message through a chain: what one mediation routes elsewhere is not shown to the next ones."""
    here: list[Message] = [message]
    gone: list[Message] = []
    for mediation in chain:
        still_here: list[Message] = []
        for each in here:
            if not mediation.sees(each):
                still_here.append(each)
                continue
            for result in mediation.mediate(each):
                routed = result.destination not in (None, message.destination)
                (gone if routed else still_here).append(result)
        here = still_here
    return (*gone, *here)


def _load(bus: str, destination: str, settings: MediationSettings, identity: Principal) -> Mediation:
    module_name, _, function_name = settings.handler.partition(":")
    name = settings.handler
    try:
        handler = getattr(importlib.import_module(module_name), function_name)
    except (Exception, SystemExit) as error:
        # Only the import's own errors are quoted: what a module raises while it is imported may hold anything.
        quoted = f": {error}" if isinstance(error, ImportError | AttributeError) else ""
        cause = f"{type(error).__name__}{quoted}"
        raise ConfigError(HANDLER_NOT_LOADABLE, handler=name, destination=destination, bus=bus, cause=cause) from error
    if not callable(handler) or inspect.iscoroutinefunction(handler):
        raise ConfigError(HANDLER_UNFIT, handler=name, destination=destination, bus=bus)
    selector = None if settings.selector is None else parse_selector(settings.selector)
    return Mediation(name, handler, MediationContext(bus, destination, settings.properties, identity), selector)
