"""The keyring behind the store: named, opened, asked; what it raises becomes ours (AUTHD-2, AUTHD-4)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, final

from connector.errors import AuthDataError, Reason
from connector.spi import Secret

BACKEND_REFUSED = Reason(
    "CF-KEYR-001",
    "the keyring backend {backend} can't hold authentication data: {why}.",
    "Name another one as `backend` in [auth_data], for example keyring.backends.SecretService.Keyring.",
)
BACKEND_UNUSABLE = Reason(
    "CF-KEYR-002",
    "the keyring backend {backend} can't be used here: {why}.",
    "Install the extra `keyring` and what the backend needs, start its service, or correct its name.",
)
KEYRING_FAILED = Reason(
    "CF-KEYR-003",
    "the keyring {backend} failed: {why}.",
    "Unlock it, or see that its service runs, and try again; what was in force stays in force.",
)

# To name one of these is a mistake, whatever it would answer.
_REFUSED = {
    "keyring.backends.null.Keyring": "it keeps nothing",
    "keyring.backends.fail.Keyring": "it refuses everything",
    "keyring.backends.chainer.ChainerBackend": "it stands for whatever is installed",
    "keyrings.alt.file.PlaintextKeyring": "it keeps passwords in plain text",
}
_T = TypeVar("_T")


@final
class NamedBackend:
    """One keyring backend, opened when it is first asked. Safe to use from any thread.

    Args:
        name: The full name of its class.

    Constructing imports nothing. Raises AuthDataError for a backend that can't hold anything (CF-KEYR-001). Each method
    blocks for the keyring, about 20 ms, and raises AuthDataError (CF-KEYR-001 to 003).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        if name in _REFUSED:
            raise AuthDataError(BACKEND_REFUSED, backend=name, why=_REFUSED[name])
        # Mutable, set once by whichever thread comes first; two that come together open it twice, which is harmless.
        self._opened: Any = None

    def get(self, service: str, item: str) -> str | None:
        """What an item holds; None where there is none."""
        keyring = self._keyring()
        found: str | None = self._asked(lambda: keyring.get_password(service, item))
        return found

    def set(self, service: str, item: str, text: Secret) -> None:
        """Make or replace an item. The text is a secret up to here: frames of a failure hold on to what they got."""
        keyring = self._keyring()
        self._asked(lambda: keyring.set_password(service, item, text.reveal()))

    def delete(self, service: str, item: str) -> bool:
        """Remove an item; False where the keyring would not, which may mean that there was none."""
        keyring = self._keyring()
        try:
            keyring.delete_password(service, item)
        except Exception:  # noqa: BLE001 - a backend may raise anything; the item is looked after again later
            return False
        return True

    def _keyring(self) -> Any:
        if self._opened is None:
            self._opened = _open(self.name)
        return self._opened

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """The answer. What the backend raises is told by its type, outside of the handler: its text and frames may hold
        the password.
        """
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            why = type(error).__name__
        raise AuthDataError(KEYRING_FAILED, backend=self.name, why=why)

    def __repr__(self) -> str:
        return f"<NamedBackend {self.name}>"


def _open(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    backend: Any = None
    try:
        kind = getattr(import_module(module), attribute)
        # Reading the priority is how a backend says that it does not work here: it raises.
        why = "" if kind.priority > 0 else "it is no keyring that keeps anything"
        backend = None if why else kind()
    except Exception as error:  # noqa: BLE001 - an import, or a look at a service, may raise anything
        why = f"{type(error).__name__}: {error}"
    if why:
        raise AuthDataError(BACKEND_UNUSABLE, backend=name, why=why)
    return backend
