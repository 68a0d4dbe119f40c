"""The vault's key from a passphrase, `passphrase` or `passphrase:PATH` (AUTHD-1, AUTHD-5)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn, final

from connector.errors import AuthDataError, Reason
from connector.security.durable_file import exclusive, file_stamp, replace_file
from connector.security.key_derivation import (
    PASSPHRASE_COST,
    Derivation,
    DerivationUnreadable,
    new_derivation,
    read_derivations,
    write_derivations,
)
from connector.security.passphrase_input import FILE, PROMPT, check_passphrase_source, read_passphrase
from connector.security.passwords import ScryptCost
from connector.security.vault_cipher import VaultKey
from connector.spi import Secret

PASSPHRASE_WRONG = Reason(
    "CF-AUTHD-054",
    "the passphrase does not belong to these authentication data (parameters in {path}).",
    "Give the right one; nothing was changed, and what was in force stays in force.",
)
PARAMETERS_MISSING = Reason(
    "CF-AUTHD-055",
    "the parameters {path}, by which the passphrase becomes the key, do not exist.",
    "Bring them back; without them the data can't be read. For a new list: `connector auth-data init-key`.",
)
PARAMETERS_WRONG = Reason(
    "CF-AUTHD-056", "the passphrase's parameters {path} can't be used: {why}.", "Bring back the last good copy."
)
PARAMETERS_EXIST = Reason(
    "CF-AUTHD-057",
    "the passphrase's parameters {path} exist already; others in their place would make the data unreadable.",
    "Use `connector auth-data rotate-key`, or another path.",
)
PARAMETERS_UNWRITABLE = Reason(
    "CF-AUTHD-058", "the passphrase's parameters {path} can't be written: {why}.", "Put that right and try again."
)


class Asked(Enum):
    """Which passphrase is asked for."""

    CURRENT = "passphrase"
    NEW = "new passphrase"


@final
class PassphraseKey:
    """Keys derived from a passphrase, which is asked for once and rests nowhere.

    Args:
        path: The parameters of the derivation: salt and cost, no secret, and needed as much as the passphrase.
        ask: Gives the passphrase: the current one, or that of a new key.
        cost: What deriving a new key costs.

    Constructing neither asks nor reads. Safe to use from any thread; while one is asked the others wait.
    """

    changeable = True

    def __init__(self, path: Path, ask: Callable[[Asked], Secret], cost: ScryptCost = PASSPHRASE_COST) -> None:
        self._path = path
        self._ask = ask
        self._cost = cost
        self._lock = threading.RLock()
        # Mutable, under the lock: the passphrase once it was asked for; the keys that were derived, by their salt; how
        # each key that this source made or found is derived, by its id.
        self._passphrase: Secret | None = None
        self._derived: dict[bytes, VaultKey] = {}
        self._derivations: dict[str, Derivation] = {}

    def keys(self) -> tuple[VaultKey, ...]:
        """The keys that the passphrase gives. Blocks for the passphrase and its derivation the first time.

        Raises:
            AuthDataError: Wrong passphrase (CF-AUTHD-054), missing or unusable parameters (055, 056), or none can be
                asked for (050 to 052).
        """
        with self._lock:
            derivations = self._read()
            keys = tuple(key for one in derivations if (key := self._key(one)).key_id == one.key_id)
            if not keys:
                self._passphrase = None  # the next attempt asks again
                self._derived.clear()
                raise AuthDataError(PASSPHRASE_WRONG, path=self._path)
            self._derivations |= {one.key_id: one for one in derivations}
            return keys

    def fresh(self) -> VaultKey:
        """A key with a fresh salt, from the new passphrase where there is one, else from the same. Blocks and raises
        like `keys`.
        """
        with self._lock:
            derivation, key = new_derivation(self._ask(Asked.NEW), self._cost)
            self._derived[derivation.salt] = key
            self._derivations[key.key_id] = derivation
            return key

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        """Keep the parameters of these keys. Blocks for the disk. Raises AuthDataError (CF-AUTHD-058)."""
        with self._lock:
            text = write_derivations(tuple(self._derivations[key.key_id] for key in keys))
        try:
            replace_file(self._path, text)
        except OSError as error:
            raise AuthDataError(PARAMETERS_UNWRITABLE, path=self._path, why=error.strerror) from error

    def create(self) -> None:
        """Make the parameters of a first key. Raises AuthDataError (CF-AUTHD-057), else like `keys`."""
        with self.changing():
            if self._path.exists():
                raise AuthDataError(PARAMETERS_EXIST, path=self._path)
            self.replace((self.fresh(),))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone among those who change the parameters. Raises AuthDataError (CF-AUTHD-058)."""
        try:
            with exclusive(self._path):
                yield
        except OSError as error:
            raise AuthDataError(PARAMETERS_UNWRITABLE, path=self._path, why=error.strerror) from error

    def stamp(self) -> Hashable:
        """Changes when the parameters do."""
        return file_stamp(self._path)

    def _read(self) -> tuple[Derivation, ...]:
        try:
            return read_derivations(self._path.read_bytes())
        except FileNotFoundError:
            raise AuthDataError(PARAMETERS_MISSING, path=self._path) from None
        except OSError as error:
            raise AuthDataError(PARAMETERS_WRONG, path=self._path, why=error.strerror) from error
        except DerivationUnreadable:
            raise AuthDataError(PARAMETERS_WRONG, path=self._path, why="they are torn or were edited") from None

    def _key(self, derivation: Derivation) -> VaultKey:
        """Derived once for each salt. Called with the lock held."""
        known = self._derived.get(derivation.salt)
        if known is None:
            if self._passphrase is None:
                self._passphrase = self._ask(Asked.CURRENT)
            known = self._derived[derivation.salt] = derivation.key(self._passphrase)
        return known

    def __repr__(self) -> str:
        return f"<PassphraseKey {self._path}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a PassphraseKey can't be pickled or copied: it holds the passphrase")


def passphrase_key(path: Path, folder: Path, settings: Mapping[str, Any]) -> PassphraseKey:
    """The source that a configuration names. Asks for nothing yet.

    Args:
        path: The parameters.
        folder: What relative paths start from.
        settings: `passphrase` says where it comes from, `new_passphrase` where that of the next key does: `prompt`
            (the default), `stdin` or `file:PATH`. Without `new_passphrase` the next key has the same passphrase.

    Raises:
        AuthDataError: One of them is no such source (CF-AUTHD-053).
    """
    now = str(settings.get("passphrase") or PROMPT)
    new = settings.get("new_passphrase")
    for source in (now, *([] if new is None else [str(new)])):
        check_passphrase_source(source)
    # Asked for once a process: nobody sits at the terminal when a refresh finds other parameters. A file is read again.
    remembered: dict[Asked, Secret] = {}

    def ask(asked: Asked) -> Secret:
        which = asked if new is not None else Asked.CURRENT
        source = str(new) if which is Asked.NEW else now
        if source.startswith(FILE):
            return read_passphrase(source, folder, "")
        if which not in remembered:
            what = f"{which.value} of the authentication data"
            remembered[which] = read_passphrase(source, folder, what, repeat=asked is Asked.NEW)
        return remembered[which]

    return PassphraseKey(path, ask, PASSPHRASE_COST)
