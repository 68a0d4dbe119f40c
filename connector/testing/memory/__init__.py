"""Messages in memory: handlers under test are driven by them, and it is the kit's example of an inbound adapter."""

from connector.testing.memory.adapter import MemoryResourceAdapter
from connector.testing.memory.letters import DeadLetter

__all__ = ["DeadLetter", "MemoryResourceAdapter"]
