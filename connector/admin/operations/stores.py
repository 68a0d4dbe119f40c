"""Operations on users and authentication data; on a running container they take effect at once (AUTHD-3)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from connector.admin.operations.request import Request
from connector.admin.operations.target import Stores, Target
from connector.errors import ConfigError, NameNotFound, Reason
from connector.spi import RotationProgress, UserRegistry

R = TypeVar("R", bound=UserRegistry)

log = logging.getLogger("connector.admin")

USER_UNKNOWN = Reason(
    "CF-ADM-042", "realm {realm} has no user {user!r}.", "See `connector users list`; nothing was changed."
)
ALIAS_UNKNOWN = Reason(
    "CF-ADM-043", "there is no authentication alias {alias!r}.", "See `connector auth-data list`; nothing was changed."
)
STORE_WITHOUT_KEY = Reason(
    "CF-ADM-045",
    "the authentication data store of this container has no key of ours.",
    "Nothing needs to be made: its entries are guarded by where they rest.",
)


# --- users: the registry of a running container re-reads its file when it has changed -------------------------------


def list_users(target: Target, request: Request) -> list[dict[str, Any]]:
    """All users of a realm with their groups."""
    with closing_registry(_stores(target, request).open_registry()) as registry:
        return [{"user": user, "groups": sorted(registry.groups_of(user))} for user in registry.users()]


def add_user(target: Target, request: Request) -> dict[str, Any]:
    """Add a user. Raises what the registry has against the name, the password or a user that exists."""
    user, groups = request.arguments.text("user"), request.arguments.texts("groups")
    with closing_registry(_stores(target, request).writable_registry()) as registry:
        registry.add_user(user, request.arguments.password("password"), groups)
    _heard(target, request)
    return {"user": user, "groups": sorted(groups)}


def remove_user(target: Target, request: Request) -> dict[str, Any]:
    """Remove a user. Raises NameNotFound (CF-ADM-042)."""
    user, stores = request.arguments.text("user"), _stores(target, request)
    with closing_registry(stores.writable_registry()) as registry:
        if not registry.remove_user(user):
            raise NameNotFound(USER_UNKNOWN, realm=stores.realm, user=user)
    _heard(target, request)
    return {"user": user}


def set_password(target: Target, request: Request) -> dict[str, Any]:
    """Replace a user's password. Raises what the registry has against it."""
    user = request.arguments.text("user")
    with closing_registry(_stores(target, request).writable_registry()) as registry:
        registry.set_password(user, request.arguments.password("password"))
    _heard(target, request)
    return {"user": user}


def set_groups(target: Target, request: Request) -> dict[str, Any]:
    """Replace a user's groups. Raises what the registry has against it."""
    user, groups = request.arguments.text("user"), request.arguments.texts("groups")
    with closing_registry(_stores(target, request).writable_registry()) as registry:
        registry.set_groups(user, groups)
    _heard(target, request)
    return {"user": user, "groups": sorted(groups)}


def _stores(target: Target, request: Request) -> Stores:
    return target.stores.in_realm(request.arguments.optional_text("realm"))


def _heard(target: Target, request: Request) -> None:
    """A running container keeps nothing of a user that was changed."""
    if target.running is not None:
        target.running.refresh_users(request.arguments.text("user"), realm=_stores(target, request).realm)


@contextmanager
def closing_registry(registry: R) -> Iterator[R]:
    """A registry that was opened for one operation: what it holds is let go of at the end."""
    try:
        yield registry
    finally:
        close = getattr(registry, "close", None)
        if close is not None:
            close()


# --- authentication data ---------------------------------------------------------------------------------------------


def list_auth_data(target: Target, _request: Request) -> list[dict[str, Any]]:
    """All entries, without their passwords."""
    entries = target.stores.open_auth_data().load()
    return [
        {"alias": entry.alias, "user": entry.user, "description": entry.description, "version": entry.version}
        for _, entry in sorted(entries.items())
    ]


def set_auth_data(target: Target, request: Request) -> dict[str, Any]:
    """Add or replace an entry."""
    arguments = request.arguments
    alias, user = arguments.text("alias"), arguments.text("user")
    store = target.stores.writable_auth_data()
    entry = store.put(alias, user, arguments.password("password"), arguments.free_text("description"))
    return {"alias": alias, "user": user, "version": entry.version, **_in_force(target)}


def remove_auth_data(target: Target, request: Request) -> dict[str, Any]:
    """Remove an entry. Raises NameNotFound (CF-ADM-043)."""
    alias = request.arguments.text("alias")
    if not target.stores.writable_auth_data().remove(alias):
        raise NameNotFound(ALIAS_UNKNOWN, alias=alias)
    return {"alias": alias, **_in_force(target)}


def rotate_key(target: Target, request: Request) -> dict[str, Any]:
    """Re-encrypt everything under a new key, or go on with a rotation that was interrupted (AUTHD-5)."""
    resumed = False

    def report(progress: RotationProgress) -> None:
        nonlocal resumed
        resumed = resumed or progress.resumed
        line = f"{progress.done} of {progress.total} entries are encrypted under the new key"
        log.info("%s", line)
        request.tell(line)

    entries = target.stores.writable_auth_data().rotate_key(report)
    return {"entries": entries, "resumed": resumed, **_in_force(target)}


def init_key(target: Target, _request: Request) -> dict[str, Any]:
    """Make the first key of a new list. Raises ConfigError (CF-ADM-045), and what the key source has against it."""
    source = target.stores.open_key()
    if source is None:
        raise ConfigError(STORE_WITHOUT_KEY)
    source.create()
    return {"made": True}


def refresh_auth_data(target: Target, _request: Request) -> dict[str, Any]:
    """Have the running container read its authentication data again."""
    return _in_force(target)


def _in_force(target: Target) -> dict[str, Any]:
    """Let a running container take the change over; says whether there is one, and which aliases have changed."""
    if target.running is None:
        return {"running": False, "changed": []}
    return {"running": True, "changed": sorted(target.running.update_auth_data())}
