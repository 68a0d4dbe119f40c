"""Many callers to one user: a look-up of the reference's alias in the authentication data (SIGN-3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

from connector.spi import (
    ALIAS_PROPERTY,
    CredentialLoginModule,
    Dependency,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCredential,
)


@final
class DefaultPrincipalMappingModule(CredentialLoginModule):
    """Looks up the alias of the reference. Authenticates nobody: it never asks who the caller is.

    Without an alias it has nothing to say and is ignored, so that in a stack another module may answer, and alone the
    reference's `on_no_credential` decides. An alias that is named and unknown is a failure, never skipped.
    Made anew for each login; used on one thread.
    """

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.ALIAS})

    _remark = ""  # set by `find`

    def find(self) -> tuple[PasswordCredential, ...]:
        """Look the alias up; nothing without one. Does not block.

        Raises:
            LoginFailed: the alias is not in the authentication data.
        """
        properties = MappingPropertiesCallback()
        target = ManagedConnectionFactoryCallback()
        self.ask(properties, target)
        alias = properties.properties.get(ALIAS_PROPERTY)
        if not alias:
            self._remark = "the reference has no alias"
            return ()
        data = self.data_of(alias)
        if data is None:
            raise LoginFailed(
                f"the alias {alias!r} is not in the authentication data",
                "Add it with `connector auth-data set`, or correct the reference's `alias`.",
            )
        self._remark = f"anybody → alias {alias!r}"
        return (PasswordCredential(data.user, data.password, target.factory, alias, data.version),)

    def remarks(self) -> Sequence[str]:
        """Who is signed on as what: anybody by the alias, or nobody for want of one."""
        return (self._remark,) if self._remark else ()
