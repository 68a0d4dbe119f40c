"""The vault's key in the operating system's keyring, `keyring:NAME` (AUTHD-1, AUTHD-5).

The backend is named, never detected: what is detected changes with what somebody installs, and may be one that keeps
nothing.  The plugin `connector_keyring` keeps whole lists there and knows nothing of this module; adapters, mappers and
plugins import the contracts only.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, final

from connector.errors import AuthDataError, Reason
from connector.security.durable_file import exclusive
from connector.security.key_text import found_keys, key_text, parse_keys
from connector.security.vault_cipher import VaultKey

BACKEND_UNNAMED = Reason(
    "CF-AUTHD-040",
    "key = keyring:… needs the keyring's backend.",
    'Name it in [auth_data], for example key_backend = "keyring.backends.SecretService.Keyring".',
)
BACKEND_UNUSABLE = Reason(
    "CF-AUTHD-041",
    "the keyring backend {backend} can't be used: {why}.",
    "Install the extra `keyring` and what the backend needs, start its service, or name another in `key_backend`.",
)
KEYRING_FAILED = Reason(
    "CF-AUTHD-042", "the keyring {backend} refused: {why}.", "Unlock it, or see that its service runs and try again."
)
KEYRING_KEY_MISSING = Reason(
    "CF-AUTHD-043",
    "the keyring {backend} has no vault key of the name {name!r}.",
    "Correct the name in `key`, or unlock the right keyring. For a new list: `connector auth-data init-key`.",
)
KEYRING_KEY_EXISTS = Reason(
    "CF-AUTHD-044",
    "the keyring {backend} has a vault key of the name {name!r} already.",
    "Use `connector auth-data rotate-key`, or another name.",
)
LOCK_FAILED = Reason(
    "CF-AUTHD-045", "no lock can be had at {path}: {why}.", "Give this user a home folder that it may write to."
)

SERVICE = "connector-framework vault key"
# They keep nothing, or everything in plain text: to name one of them is a mistake, whatever it would answer.
_UNFIT = {
    "keyring.backends.null.Keyring",
    "keyring.backends.fail.Keyring",
    "keyring.backends.chainer.ChainerBackend",
    "keyrings.alt.file.PlaintextKeyring",
}


@final
class KeyringKey:
    """Keys in one item of a keyring, as text.

    Args:
        name: The item's name.
        backend: The full name of the backend's class.

    Constructing opens nothing. Raises AuthDataError without a backend (CF-AUTHD-040). Safe to use from any thread.
    """

    changeable = True

    def __init__(self, name: str, backend: object) -> None:
        if not isinstance(backend, str) or not backend:
            raise AuthDataError(BACKEND_UNNAMED)
        self._name = name
        self._backend = backend

    def keys(self) -> tuple[VaultKey, ...]:
        """The keys in the item. Blocks for the keyring, about 20 ms.

        Raises:
            AuthDataError: The backend can't be used (CF-AUTHD-041), refuses (042), has no such item (043), or it holds
                something else (014).
        """
        keys = self._read()
        if keys is None:
            raise AuthDataError(KEYRING_KEY_MISSING, backend=self._backend, name=self._name)
        return found_keys(keys, f"the keyring's item {self._name!r}")

    def fresh(self) -> VaultKey:
        """A new random key, not kept yet."""
        return VaultKey.generate()

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        """Replace the item. Blocks for the keyring. Raises AuthDataError (CF-AUTHD-041, 042)."""
        keyring = opened_backend(self._backend)
        self._asked(lambda: keyring.set_password(SERVICE, self._name, key_text(keys)))

    def create(self) -> None:
        """Make the item with a new random key. Raises AuthDataError (CF-AUTHD-044), else like `replace`."""
        with self.changing():
            if self._read() is not None:
                raise AuthDataError(KEYRING_KEY_EXISTS, backend=self._backend, name=self._name)
            self.replace((self.fresh(),))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone among this user's processes: a keyring has no lock of its own. Raises AuthDataError (CF-AUTHD-045)."""
        path = Path.home() / ".local" / "state" / "connector-framework" / "keyring-key"
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with exclusive(path):
                yield
        except OSError as error:
            raise AuthDataError(LOCK_FAILED, path=path.parent, why=error.strerror) from error

    def stamp(self) -> Hashable:
        """Always the same: to look would cost as much as to read."""
        return None

    def _read(self) -> tuple[VaultKey, ...] | None:
        keyring = opened_backend(self._backend)

        def read() -> tuple[VaultKey, ...] | None:
            text = keyring.get_password(SERVICE, self._name)
            return None if text is None else parse_keys(text.encode())

        found: tuple[VaultKey, ...] | None = self._asked(read)
        return found

    def _asked(self, ask: Callable[[], Any]) -> Any:
        """What the keyring answers; what it raises without its text and frames, which may hold the key."""
        try:
            return ask()
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            why = type(error).__name__
        raise AuthDataError(KEYRING_FAILED, backend=self._backend, why=why)

    def __repr__(self) -> str:
        return f"<KeyringKey {self._name}>"


def opened_backend(name: str) -> Any:
    """The keyring backend of that name. Blocks for its import and, for some, for a look at their service.

    Raises:
        AuthDataError: There is none, it keeps nothing, or it does not work here (CF-AUTHD-041).
    """
    module, _, attribute = name.rpartition(".")
    if name in _UNFIT:
        raise AuthDataError(BACKEND_UNUSABLE, backend=name, why="it keeps nothing, or keeps it in plain text")
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
