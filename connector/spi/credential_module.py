"""A login module that finds credentials: what all such modules do alike, once (SIGN-4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar, TypeVar

from connector.spi.authdata import AuthenticationData
from connector.spi.callbacks import AuthenticationDataCallback, Callback, CallbackHandler
from connector.spi.login import Dependency
from connector.spi.subject import Subject

AnyCallback = TypeVar("AnyCallback", bound=Callback)


class CredentialLoginModule(ABC):
    """A `LoginModule` whose author writes `find` alone.

    What `find` answers goes into the subject at `commit`, and out of it at `abort` and `logout`, whatever the chain
    does; nothing is in the subject before. Made anew for each login; used on one thread.

    Attributes:
        options: The options of the login configuration.
        shared_state: What the modules of one login share.
    """

    #: As for `LoginModule`: what is left out makes one caller get another's credential, so the default is "ask always".
    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.TIME})

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Get ready."""
        self._subject = subject
        self._handler = callback_handler
        self.shared_state = shared_state
        self.options = options
        # Mutable: what `find` answered, until `commit` puts it into the subject and `abort` or `logout` take it out.
        self._found: tuple[Any, ...] = ()

    @abstractmethod
    def find(self) -> tuple[Any, ...]:
        """Find what this login is to sign on with: credentials and identity assertions; empty to be ignored.

        May block as long as it takes. Raises LoginFailed, or an error of `connector.errors`, to fail; what has an
        attribute `retryable` that is true says that nobody was refused.
        """

    def ask(self, *callbacks: AnyCallback) -> AnyCallback:
        """Have callbacks answered, all in one call; the first of them is handed back. Raises what the handler does."""
        self._handler.handle(list(callbacks))
        return callbacks[0]

    def data_of(self, alias: str) -> AuthenticationData | None:
        """The newest authentication data of an alias, or None. Does not block."""
        return self.ask(AuthenticationDataCallback(alias)).data

    def login(self) -> bool:
        """Find the credentials; False where there are none. Blocks and raises as `find` does."""
        self._found = ()
        self._found = self.find()
        return bool(self._found)

    def commit(self) -> bool:
        """Put the credentials into the subject; False if `login` found none."""
        for credential in self._found:
            self._subject.add_credential(credential)
        return bool(self._found)

    def abort(self) -> bool:
        """Forget the credentials, also where they have been committed."""
        return self.logout()

    def logout(self) -> bool:
        """Take the credentials out of the subject. True if there were any."""
        found, self._found = self._found, ()
        if not self._subject.is_read_only:
            for credential in found:
                self._subject.remove_credential(credential)
        return bool(found)
