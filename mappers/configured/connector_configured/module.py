"""Any caller, or any of those who are let through, to one configured user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

from connector.spi import (
    CallerSubjectCallback,
    CredentialLoginModule,
    Dependency,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    PasswordCredential,
    Subject,
    UserPrincipal,
)

_ANYBODY, _AUTHENTICATED, _USER = "anybody", "authenticated", "user"


@final
class ConfiguredIdentityModule(CredentialLoginModule):
    """Gives the credential of its options. It is never ignored: it succeeds, or fails and says why.

    Options: `alias`, and if wanted `user` and `caller`; see `mapper.toml`. Mapping properties are not asked for.
    Made anew for each login; used on one thread.
    """

    #: The most: the caller is looked at only where the option `caller` asks for one.
    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.ALIAS, Dependency.CALLER})

    @classmethod
    def dependencies(cls, options: Mapping[str, Any]) -> frozenset[Dependency]:
        """The alias alone where anybody may call: then one plan serves everybody."""
        return frozenset({Dependency.ALIAS}) if options.get("caller", _ANYBODY) == _ANYBODY else cls.depends_on

    _remark = ""  # set by `find`

    def find(self) -> tuple[PasswordCredential, ...]:
        """Look the configured alias up. Does not block.

        Raises:
            LoginFailed: the caller is not one who may call; there is no alias, or an unknown one; an option is wrong.
        """
        wanted = self.options.get("caller", _ANYBODY)
        if wanted != _ANYBODY:
            _check_caller(self.ask(CallerSubjectCallback()).subject, wanted)
        alias, user = _text(self.options, "alias"), _text(self.options, "user")
        if alias is None:
            raise LoginFailed("there is no option `alias`", "Say which alias everybody is to be signed on by.")
        target, data = self.ask(ManagedConnectionFactoryCallback()), self.data_of(alias)
        if data is None:
            raise LoginFailed(
                f"the configured alias {alias!r} is not in the authentication data",
                "Add it with `connector auth-data set`, or correct the option `alias`.",
            )
        whose = {_ANYBODY: "anybody", _AUTHENTICATED: "any authenticated caller", _USER: "any user"}[wanted]
        self._remark = f"{whose} → alias {alias!r}" + (f", user {user!r}" if user is not None else "")
        return (PasswordCredential(user or data.user, data.password, target.factory, alias, data.version),)

    def remarks(self) -> Sequence[str]:
        """Who is signed on as what."""
        return [self._remark] if self._remark else []


def _check_caller(caller: Subject | None, wanted: object) -> None:
    """Raises LoginFailed for a caller who may not call. Pure."""
    if wanted not in (_AUTHENTICATED, _USER):
        # A typing error must not decide about identity.
        raise LoginFailed("the option `caller` is none of anybody, authenticated, user", "Correct the option.")
    if caller is None or not caller.is_authenticated:
        raise LoginFailed("there is no authenticated caller", "Log in; the option `caller` asks for it.")
    if wanted == _USER and not isinstance(caller.caller, UserPrincipal):
        raise LoginFailed("the caller is no user", "Call as a user; the option `caller` asks for it.")


def _text(options: Mapping[str, Any], name: str) -> str | None:
    value = options.get(name)
    if value is not None and not isinstance(value, str):
        raise LoginFailed(f"the option {name} is not a text", "Correct the option.")
    return value or None
