"""The protocol engine's deliveries and links without its Python wrappers, which cost more than all else for a message.

Theory of operation
-------------------
python-qpid-proton is two layers: `cproton_ffi`, the C library's functions, and `proton`, objects over them, which keep
their attributes in dictionaries inside the C objects. What happens once for a link or a connection goes through the
objects; what happens for each message through the functions. `LeanLink` and `LeanDelivery` look like the library's own
for that: whatever they don't have themselves they ask the library's object for.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import threading
from contextvars import Context
from typing import Any, Final, final

from connector_bus.store.amqp_content import load_proton

#: What is received or written at once, in bytes; more is taken in a buffer of its own.
BUFFER = 65536


def load_lean() -> Lean:
    """The functions, with the running thread's own buffers. Raises MessagingError CF-BUS-150.

    Each container has a thread for its chains, and a process may have several: while the library writes into a buffer
    other threads run, and one client's bytes would go to another.
    """
    lean: Lean | None = getattr(_OF_THREAD, "lean", None)
    if lean is None:
        load_proton()
        lean = _OF_THREAD.lean = Lean()
    return lean


@final
class Lean:
    """The C library's functions, and buffers for them. For one thread only: that of the chains' loop.

    Attributes:
        lib: The functions.
        ffi: Where buffers are made.
        buffer: A buffer for what is received or written.
        view: The same to be read.
    """

    def __init__(self) -> None:
        binding = importlib.import_module("cproton_ffi")
        self.lib: Any = binding.lib
        self.ffi: Any = binding.ffi
        self.buffer: Any = self.ffi.new("char[]", BUFFER)
        self.view: Any = self.ffi.buffer(self.buffer)
        self._tag: Any = self.ffi.new("char[32]")
        self._tag_view: Any = self.ffi.buffer(self._tag)
        self._tag_bytes: Any = self.ffi.new("pn_bytes_t *")
        self._tag_bytes.start = self._tag
        self._tag_struct: Any = self._tag_bytes[0]  # the same memory
        self._tag_size = 0
        # What is looked up once costs less at each message.
        self._delivery: Any = self.lib.pn_delivery
        self._send: Any = self.lib.pn_link_send
        self._advance: Any = self.lib.pn_link_advance
        self._receive: Any = self.lib.pn_link_recv

    def new_delivery(self, link: Any, tag: bytes) -> Any:
        """A delivery on a sending link; the tag is one of ours, of at most 32 ASCII characters."""
        size = len(tag)
        self._tag_view[:size] = tag
        if self._tag_size != size:
            self._tag_size = self._tag_bytes.size = size
        return self._delivery(link, self._tag_struct)

    def send(self, link: Any, tag: bytes, data: bytes) -> Any:
        """Send a whole message on a sending link; answers its delivery. The tag as above."""
        size = len(tag)
        self._tag_view[:size] = tag
        if self._tag_size != size:
            self._tag_size = self._tag_bytes.size = size
        delivery = self._delivery(link, self._tag_struct)
        self._send(link, data, len(data))
        self._advance(link)
        return delivery

    def received(self, link: Any, size: int) -> bytes:
        """What has come of the current delivery, at most `size` bytes."""
        if size <= BUFFER:
            got = self._receive(link, self.buffer, size)
            return self.view[:got] if got > 0 else b""
        data = bytearray(size)
        got = self.lib.pn_link_recv(link, self.ffi.from_buffer(data), size)
        return bytes(data[:got]) if got > 0 else b""


_OF_THREAD: Final = threading.local()

#: The library's links, each with its session and for as long as there is its `LeanLink`, whose `id` is the key.
_KEPT: dict[int, list[Any]] = {}


def _let_go(kept: list[Any]) -> None:
    """The link first: whoever has the last hold of a session that has ended takes its links with it."""
    while kept:
        kept.pop()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@final
class LeanDelivery:
    """A delivery as the library's `Delivery`; good for as long as it is not settled. For the chain's loop only."""

    __slots__ = ("_impl", "_lib", "_whole")

    #: Outcomes and what else a delivery may be in, as AMQP numbers them.
    RECEIVED, ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x23, 0x24, 0x25, 0x26, 0x27

    def __init__(self, lib: Any, impl: Any) -> None:
        self._lib = lib
        self._impl = impl
        self._whole: Any = None

    @property
    def aborted(self) -> bool:
        """Whether its sender has taken it back in the middle."""
        return bool(self._lib.pn_delivery_aborted(self._impl))

    @property
    def readable(self) -> bool:
        """Whether something has come of it."""
        return bool(self._lib.pn_delivery_readable(self._impl))

    @property
    def partial(self) -> bool:
        """Whether more of it is to come."""
        return bool(self._lib.pn_delivery_partial(self._impl))

    @property
    def pending(self) -> int:
        """How many bytes can be received now."""
        return int(self._lib.pn_delivery_pending(self._impl))

    @property
    def updated(self) -> bool:
        """Whether the other side has said something of it."""
        return bool(self._lib.pn_delivery_updated(self._impl))

    @property
    def remote_state(self) -> int:
        """What the other side has said, as a number; compares equal to the library's own."""
        return int(self._lib.pn_delivery_remote_state(self._impl))

    @property
    def settled(self) -> bool:
        """Whether the other side has settled it."""
        return bool(self._lib.pn_delivery_settled(self._impl))

    @property
    def tag(self) -> str:
        """Its tag, where it is one of ours."""
        tag = self._lib.pn_delivery_tag(self._impl)
        return bytes(load_lean().ffi.buffer(tag.start, tag.size)).decode()

    def update(self, state: int) -> None:
        """Say what has become of it."""
        if self._whole is None:
            self._lib.pn_delivery_update(self._impl, state)
        else:  # which has a reason, or other fields of the state, that go with it
            self._whole.update(state)

    def settle(self) -> None:
        """Have done with it. The library's own object goes now, on the loop: an error may keep this one, and let it go
        on any thread, while the library counts references without a lock.
        """
        self._lib.pn_delivery_settle(self._impl)
        self._whole = None

    def __getattr__(self, name: str) -> Any:
        if self._whole is None:
            self._whole = load_proton().Delivery.wrap(self._impl)
        return getattr(self._whole, name)


@final
class LeanLink:
    """A link as the library's `Sender` or `Receiver`, which it stands in front of. For the chain's loop only.

    What has it may be let go of on any thread, by the garbage collector or by the one that writes to the disk. The
    library's object must not be: references are counted without a lock, and the loop may be in the middle of the
    library. So it is kept in `_KEPT`, where no collector finds it, until the loop takes it out. Its session is kept
    with it: the library ends the links of a session that nobody holds, also those that somebody does.
    """

    __slots__ = ("_home", "_impl", "_lean", "_lib", "_link")

    def __init__(self, link: Any) -> None:
        lean, home = load_lean(), _running_loop()
        given = (("_home", home), ("_impl", link._impl), ("_lean", lean), ("_lib", lean.lib), ("_link", link))
        for name, value in given:
            object.__setattr__(self, name, value)
        _KEPT[id(self)] = [link.session, link]

    def __del__(self) -> None:
        home, kept = self._home, _KEPT.pop(id(self))  # now: another link may soon have this number
        object.__setattr__(self, "_link", None)
        if home is not None and home is not _running_loop():
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the connection with it
                home.call_soon_threadsafe(_let_go, kept, context=Context())
        else:
            _let_go(kept)

    @property
    def credit(self) -> int:
        """How many messages may be sent."""
        return int(self._lib.pn_link_credit(self._impl))

    @property
    def drain_mode(self) -> bool:
        """Whether the other side wants what there is and no more."""
        return bool(self._lib.pn_link_get_drain(self._impl))

    def flow(self, credit: int) -> None:
        """Let the other side send so many more."""
        self._lib.pn_link_flow(self._impl, credit)

    def recv(self, limit: int) -> bytes:
        """What has come of the current delivery."""
        data: bytes = self._lean.received(self._impl, limit)
        return data

    def advance(self) -> bool:
        """Go on to the next delivery."""
        return bool(self._lib.pn_link_advance(self._impl))

    def wrapped(self, delivery: Any) -> LeanDelivery:
        """A delivery that is known by the library's pointer."""
        return LeanDelivery(self._lib, delivery)

    def delivery(self, tag: str) -> LeanDelivery:
        """Begin a delivery."""
        return LeanDelivery(self._lib, self._lean.new_delivery(self._impl, tag.encode()))

    def stream(self, data: bytes) -> int:
        """Send something as part of the current delivery."""
        return int(self._lib.pn_link_send(self._impl, data, len(data)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._link, name, value)
