"""Topics and the patterns that subscriptions name them by (BUS-6).

A topic is levels with a slash between them; `/` alone is the root, which has none. In a pattern the level `*` stands
for exactly one level and `#` for any number of them, none included. `//` is another way to write `/#/`, and `//.` at
the end of `/#`, as in the messaging engines that use them: `sports//.` is `sports` and everything below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connector.errors import MessagingError, Reason
from connector_bus.policy.definition import ROOT

PATTERN_UNFIT = Reason(
    "CF-BUS-183",
    "the topic pattern {found} can't be subscribed to",
    "Give levels with a slash between them; * stands for one level and # for any number, each as a level of its own.",
)

ONE: Final = "*"
ANY: Final = "#"


@dataclass(frozen=True, slots=True)
class TopicPattern:
    """Which topics a subscription is about.

    Attributes:
        levels: Its levels; none for the root.
    """

    levels: tuple[str, ...]

    @property
    def text(self) -> str:
        """As it is written with `*` and `#`."""
        return "/".join(self.levels) or ROOT

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for more than one topic."""
        return ONE in self.levels or ANY in self.levels


def parse_pattern(text: str) -> TopicPattern:
    """Read a pattern. Pure. Raises MessagingError CF-BUS-183."""
    if text == ROOT:
        return TopicPattern(())
    written = f"{text[:-2]}#".removeprefix("/") if text.endswith("//.") else text
    levels = list[str]()
    for number, level in enumerate(parts := written.split("/")):
        # An empty level is the gap of `//`; the two of a leading `//` are one gap.
        if level == "" and 0 < number < len(parts) - 1:
            level = ANY
        elif level == "" and number == 0 and len(parts) > 2 and parts[1] == "":
            continue
        if level == "" or (level not in (ONE, ANY) and set(level) & {ONE, ANY}):
            raise MessagingError(PATTERN_UNFIT, found=repr(text))
        if not (level == ANY and levels and levels[-1] == ANY):
            levels.append(level)
    return TopicPattern(tuple(levels))


def levels_of(topic: str) -> tuple[str, ...]:
    """The levels of a topic; none for the root."""
    return () if topic == ROOT else tuple(topic.split("/"))
