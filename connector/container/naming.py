"""Names: what an application looks up, and what stands behind a reference (CONF-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, final

from connector.container.configuration.problems import did_you_mean, listed
from connector.container.login_door import LoginDoor
from connector.container.login_scope import LoginScope
from connector.errors import NameNotFound, Reason
from connector.outbound.manager import ReferenceConnectionManager
from connector.signon.reference import ResAuth, ResourceReference
from connector.spi import Scope, Secret

NAME_UNKNOWN = Reason(
    "CF-CTR-010",
    "there is no {kind} {name!r} in {place}.",
    "{hint}Known: {known}.",
)


def unknown(kind: str, name: str, place: str, known: Iterable[str]) -> NameNotFound:
    """The error for a name that nothing is bound to, with the nearest known name as a suggestion."""
    names = tuple(known)
    near = did_you_mean(name, names)
    return NameNotFound(
        NAME_UNKNOWN, kind=kind, name=name, place=place, hint=f"{near} " if near else "", known=listed(names)
    )


@final
class Application:
    """One application's own name space.

    Args:
        name: The application's name; empty for the name space of direct look-ups, which is the container's own.
        references: Its resource references by name.
        connect: Makes the connection manager and the connection factory of a reference; called once each.
        door: Where its users log in: the application's realm.

    Safe to use from any thread.
    """

    def __init__(
        self,
        name: str,
        references: Mapping[str, ResourceReference],
        connect: Callable[[ResourceReference], tuple[ReferenceConnectionManager, Any]],
        door: LoginDoor,
    ) -> None:
        self.name = name
        self.door = door
        self._connect = connect
        # Mutable: `_references` and `_bound`, replaced together by `rebind`; name → (manager, factory), filled once
        # each; a race makes one too many, which is dropped.
        self._references = dict(references)
        self._bound: dict[str, tuple[ReferenceConnectionManager, Any]] = {}

    @property
    def declared(self) -> Mapping[str, ResourceReference]:
        """Its references by name."""
        return self._references

    def rebind(self, references: Mapping[str, ResourceReference]) -> None:
        """Have other references from the next look-up on; who has looked up one that changes keeps what it got."""
        kept = {n: b for n, b in self._bound.items() if self._references.get(n) == references.get(n)}
        self._references, self._bound = dict(references), kept

    @property
    def references(self) -> tuple[str, ...]:
        """The names of its references, sorted."""
        return tuple(sorted(self._references))

    @property
    def realm(self) -> str:
        """The application's realm: of its logins, of its roles, and of its handlers' callers."""
        return self.door.realm

    def login(self, user: str, password: str | Secret) -> LoginScope:
        """Authenticate a user of the application's realm; `with` the result, the user is the caller here.

        Blocks for the password check (50 to 400 ms); `login_async` is for tasks. Raises AuthenticationFailed.
        """
        return self.door.login(user, password)

    def login_async(self, user: str, password: str | Secret) -> AbstractAsyncContextManager[Scope]:
        """The same for asyncio: the password check runs on another thread. Raises AuthenticationFailed."""
        return self.door.login_async(user, password)

    def lookup(self, name: str) -> Any:
        """The connection factory behind a resource reference; the same object each time. Does not connect.

        Raises NameNotFound.
        """
        return self._bind(name)[1]

    def manager(self, name: str) -> ReferenceConnectionManager:
        """The connection manager behind a reference, for `explain` and `test connection`. Raises NameNotFound."""
        return self._bind(name)[0]

    def _bind(self, name: str) -> tuple[ReferenceConnectionManager, Any]:
        bound = self._bound.get(name)
        if bound is None:
            reference = self._references.get(name)
            if reference is None:
                if not self.name:
                    raise unknown("connection factory", name, "this container", self._references)
                raise unknown("resource reference", name, f"application {self.name!r}", self._references)
            bound = self._bound.setdefault(name, self._connect(reference))
        return bound

    def __repr__(self) -> str:
        return f"<Application {self.name or '(direct look-ups)'}: {', '.join(self.references) or 'no references'}>"


def direct_references(resources: Iterable[str]) -> dict[str, ResourceReference]:
    """The references that look-ups by global name use: application-managed and shareable (CONF-3)."""
    return {name: ResourceReference(name=name, resource=name, res_auth=ResAuth.APPLICATION) for name in resources}
