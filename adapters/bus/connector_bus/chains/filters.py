"""The filters of a receiving link's source: which are known, what they mean, and which of them are applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from connector_bus.selector.selector import Selector, parse_selector
from connector_bus.store.amqp_content import load_proton
from connector_bus.store.subscription import StoredSubscription

_SELECTOR, _NO_LOCAL = "apache.org:selector-filter:string", "apache.org:no-local-filter:list"
_SELECTORS: Final = frozenset({_SELECTOR, 0x0000468C00000004})
_NO_LOCALS: Final = frozenset({_NO_LOCAL, 0x0000468C00000003})


@dataclass(frozen=True, slots=True)
class Filters:
    """What a client wants of a source.

    Attributes:
        text: The selector, as the client says it; None for all messages.
        no_local: Whether it wants to be without what it publishes itself.
        by_selector, by_no_local: The same as the client says it, for the answer.
    """

    text: str | None
    no_local: bool
    by_selector: Mapping[Any, Any]
    by_no_local: Mapping[Any, Any]

    def selector(self) -> Selector | None:
        """Which messages; to be asked for once it is known that the client may have any.

        Raises MessagingError CF-BUS-170.
        """
        return None if self.text is None else parse_selector(self.text)

    def applied(self, *, no_local: bool) -> dict[Any, Any]:
        """What is echoed: the filters that are applied, no-local among them or not."""
        return {**self.by_selector, **(self.by_no_local if no_local else {})}


def filters_of(source: Any) -> Filters:
    """The known ones of a source's filters; others are not applied."""
    data = source.filter
    data.rewind()
    found = data.get_object() if data.next() else None
    wanted, by_selector, by_no_local = None, {}, {}
    for name, value in (found if isinstance(found, dict) else {}).items():
        descriptor = getattr(value, "descriptor", None)
        kind = descriptor if isinstance(descriptor, int) else str(descriptor)
        text = getattr(value, "value", None)
        if kind in _SELECTORS and isinstance(text, str):
            wanted = str(text)
            by_selector[name] = value
        elif kind in _NO_LOCALS:
            by_no_local[name] = value
    return Filters(wanted, bool(by_no_local), by_selector, by_no_local)


def filters_for(record: StoredSubscription) -> dict[Any, Any]:
    """The filters of a subscription that is there, as a client would have said them."""
    proton = load_proton()
    filters = {}
    if record.selector is not None:
        filters[proton.symbol("jms-selector")] = proton.Described(proton.symbol(_SELECTOR), record.selector)
    if record.no_local is not None:
        filters[proton.symbol("no-local")] = proton.Described(proton.symbol(_NO_LOCAL), [])
    return filters
