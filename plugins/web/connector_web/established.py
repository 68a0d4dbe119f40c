"""A caller whom the application, or a middleware around this one, has authenticated already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from connector_web.proof import Caller
from connector_web.request import WebRequest

Found = Callable[[Mapping[str, Any]], "Caller | str | None"]


@final
class EstablishedSource:
    """Whoever a function finds in the request; made by `established`. As safe to use as the function is.

    Args:
        found: The function.
        realm: The realm of the names that it answers; None for the container's own.
    """

    name = "established"
    scheme = None

    def __init__(self, found: Found, realm: str | None) -> None:
        self._found = found
        self._realm = realm

    def challenge(self, realm: str, *, refused: bool) -> None:
        """None: how to authenticate is the application's."""
        return

    def read(self, request: WebRequest) -> Caller | None:
        """What the function answers. Raises what it raises."""
        caller = self._found(request.native)
        if isinstance(caller, Caller):
            return caller if caller.realm is not None else Caller(caller.name, self._realm, caller.groups)
        return Caller(caller, self._realm) if caller else None

    def __repr__(self) -> str:
        return f"<EstablishedSource {getattr(self._found, '__qualname__', type(self._found).__name__)}>"


def established(found: Found, *, realm: str | None = None) -> EstablishedSource:
    """A caller who is authenticated already: by a session, a gateway, a framework's own middleware around this one.

    Args:
        found: Called with the ASGI scope or the WSGI environ of each request, on the loop where there is one, so it
            must not block. Answers the user's name, a `Caller` with realm and groups, or None for nobody. What it
            answers is believed: a header that a client can send proves nothing.
        realm: The realm that the names belong to; None for the container's own.
    """
    return EstablishedSource(found, realm)
