"""Many callers to one user: a look-up of the reference's alias in the authentication data (SIGN-3)."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar, final

from connector.spi import (
    ALIAS_PROPERTY,
    AuthenticationDataCallback,
    CallbackHandler,
    Dependency,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCredential,
    Subject,
)


@final
class DefaultPrincipalMappingModule:
    """Looks up the alias of the reference. Authenticates nobody: it never asks who the caller is.

    Without an alias it has nothing to say and is ignored, so that in a stack another module may answer, and alone the
    reference's `on_no_credential` decides. An alias that is named and unknown is a failure, never skipped.
    Made anew for each login; used on one thread.
    """

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.ALIAS})

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Get ready; there are no options."""
        self._subject = subject
        self._handler = callback_handler
        # Mutable: what `login` found, until `commit` puts it into the subject and `abort` or `logout` take it out.
        self._credential: PasswordCredential | None = None
        self._silence = ""

    def login(self) -> bool:
        """Look the alias up; False without one. Does not block.

        Raises:
            LoginFailed: the alias is not in the authentication data.
        """
        properties = MappingPropertiesCallback()
        target = ManagedConnectionFactoryCallback()
        self._handler.handle([properties, target])
        alias = properties.properties.get(ALIAS_PROPERTY)
        if not alias:
            self._silence = "the reference has no alias"
            return False
        answer = AuthenticationDataCallback(alias)
        self._handler.handle([answer])
        data = answer.data
        if data is None:
            raise LoginFailed(
                f"the alias {alias!r} is not in the authentication data",
                "Add it with `connector auth-data set`, or correct the reference's `alias`.",
            )
        self._credential = PasswordCredential(data.user, data.password, target.factory, alias, data.version)
        return True

    def remarks(self) -> Sequence[str]:
        """Who is signed on as what: anybody by the alias, or nobody for want of one."""
        if self._credential is None:
            return (self._silence,) if self._silence else ()
        return (f"anybody → alias {self._credential.alias!r}",)

    def commit(self) -> bool:
        """Put the credential into the subject; False if `login` found none."""
        if self._credential is None:
            return False
        self._subject.add_credential(self._credential)
        return True

    def abort(self) -> bool:
        """Forget the credential, also where it has been committed."""
        return self.logout()

    def logout(self) -> bool:
        """Take the credential out of the subject. True if there was one."""
        credential, self._credential = self._credential, None
        if credential is None:
            return False
        if not self._subject.is_read_only:
            self._subject.remove_credential(credential)
        return True
