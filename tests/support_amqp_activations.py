"""Containers with a handler that consumes from a broker elsewhere by the adapter `amqp`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import support_amqp_handlers
from support_amqp import Client, client, inline

from connector import Secret
from connector.security.vault import FileVault
from connector.security.vault_key import generate_key

DESCRIPTOR = """
[application]
handlers = ["support_amqp_handlers"]
[activations."jms/in"]
bind = "jms/in"
max_redeliveries = 1
"""


@dataclass
class Calls:
    """What the handler was called with."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    seen: list[tuple[Any, str, int]] = field(default_factory=list)

    def note(self, message: Any, context: Any) -> None:
        with self.changed:
            self.seen.append((message.body, str(context.caller_principal), context.delivery_count))
            self.changed.notify_all()

    def wait_for(self, count: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(self.seen) >= count, 20)


@contextmanager
def serving(
    folder: Path,
    port: int,
    behaviour: Callable[[Any, Any], Any],
    *,
    alias: tuple[str, str] | None = ("bob", "bob"),
    destination: str = "requests",
    realms: str = "",
    set_alias: bool = True,
    transacted: bool = False,
    references: str = "",
    remote: Mapping[str, Any] = MappingProxyType({}),
    **properties: Any,
) -> Iterator[tuple[Client, Calls]]:
    """A container whose handler consumes from the broker on that port, signed on as an alias.

    Args:
        folder: For its files.
        port: The broker's.
        behaviour: What the handler does.
        alias: User and password of the alias `consumer`; None for an activation without an alias.
        destination: Where from.
        realms: More of the configuration.
        set_alias: Whether the alias is in the vault.
        transacted: Whether the handler is.
        references: More of the application's descriptor.
        remote: Properties of the connection factory `jms/remote`.
        properties: Of the activation.
    """
    calls = Calls()

    def handle(message: Any, context: Any) -> Any:
        calls.note(message, context)
        return behaviour(message, context)

    given = {
        "provider_endpoints": [f"127.0.0.1:{port}"],
        "allow_plain_passwords": True,
        "destination": destination,
    } | properties
    extra = (
        '[auth_data]\nstore = "file"\npath = "auth-data.vault"\nkey = "file:vault.key"\n'
        '[resources."jms/in"]\nadapter = "amqp"\nkind = "activation"\n'
        + ("" if alias is None else 'component_alias = "consumer"\n')
        + f"properties = {inline(given)}\n"
        + '[applications]\nshop = "shop.toml"\n'
        + realms
    )
    folder.mkdir(exist_ok=True)
    (folder / "shop.toml").write_text(DESCRIPTOR + ("transacted = true\n" if transacted else "") + references)
    put_alias(folder, alias if set_alias else None)
    with support_amqp_handlers.behaving(handle), client(folder, port, extra, **remote) as running:
        yield running, calls


def put_alias(folder: Path, alias: tuple[str, str] | None) -> FileVault:
    """Put the alias `consumer` into the container's vault, which is made where there is none."""
    if not (folder / "vault.key").exists():
        generate_key(folder / "vault.key")
    vault = FileVault(folder / "auth-data.vault", f"file:{folder / 'vault.key'}")
    vault.put("unused", "nobody", Secret("unused"))
    if alias is not None:
        vault.put("consumer", alias[0], Secret(alias[1]))
    return vault


def state(shop: Client) -> dict[str, Any]:
    """How the activation is."""
    [activation] = shop.container.activations()
    plain: dict[str, Any] = activation.to_dict()
    return plain


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it becomes true soon; asked again and again, for want of anybody who tells."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if condition():
            return True
        threading.Event().wait(0.02)
    return False
