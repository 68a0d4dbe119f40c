"""The one-to-one mapping as a login module: what `decision` decides becomes a credential (SIGN-5)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, final

from connector.errors import Problem
from connector.spi import (
    CallbackHandler,
    CallerSubjectCallback,
    CredentialLoginModule,
    Dependency,
    LoginFailed,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCredential,
    Subject,
)
from connector_onetoone.callers import User
from connector_onetoone.decision import Mapped, mapped, own_credential
from connector_onetoone.settings import OneToOneSettings, mistakes_in, read_settings
from connector_onetoone.table import CallerTable
from connector_onetoone.table_file import table_file


@final
class OneToOneModule(CredentialLoginModule):
    """Maps each user to a user of the external system. Whom nothing maps it ignores, unless `unmapped` says `fail`.

    Options: see `mapper.toml`. Mapping properties: those that the rules name as `{property.NAME}`.
    Made anew for each login; used on one thread.
    """

    #: The most; what the options leave of it, `dependencies` says.
    depends_on: ClassVar[frozenset[Dependency]] = frozenset(
        {Dependency.CALLER, Dependency.GROUPS, Dependency.CREDENTIALS, Dependency.ALIAS}
    )

    @classmethod
    def dependencies(cls, options: Mapping[str, Any]) -> frozenset[Dependency]:
        """Own credential: credentials. Table: caller and alias. Rules: these, and groups where one names a group."""
        return read_settings(options).depends_on

    @classmethod
    def revision(cls, options: Mapping[str, Any]) -> Hashable:
        """The number of the table's newest right reading. Looks at the file's date, and reads it where that is new."""
        table = options.get("table")
        return 0 if table is None else table_file(Path(table)).current().revision

    @classmethod
    def mistakes(cls, options: Mapping[str, Any]) -> Sequence[Problem]:
        """All mistakes in the options and in the table as it stands now. Blocks for the table's file."""
        return mistakes_in(options)

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Get ready."""
        super().initialize(subject, callback_handler, shared_state, options)
        self._remarks: list[str] = []  # mutable: what `find` says of its answer

    def find(self) -> tuple[PasswordCredential, ...]:
        """Find the caller's credential; nothing where nothing maps the caller. Blocks where the table is to be read.

        Raises:
            LoginFailed: the options or the table are wrong; the alias is unknown; nothing maps the caller and the
                options say `fail`.
        """
        settings = read_settings(self.options)
        target, caller = ManagedConnectionFactoryCallback(), CallerSubjectCallback()
        self.ask(target, caller)
        own = own_credential(settings, caller.subject, target.factory, target.mechanisms)
        if own is not None:
            self._remarks.append(f"{_shown(caller.subject)} → own credential, user {own.user!r}")
            return (replace(own, factory=target.factory),)
        if settings.own_credential is not None:
            self._remarks.append(f"{_shown(caller.subject)}: no own credential for this resource")
        found = self._mapped(settings, caller.subject)
        if found is not None:
            return (self._credential_of(found, target.factory),)
        if settings.fail_unmapped:
            raise LoginFailed("nothing maps the caller", "Add the caller to the table, or a rule that fits.")
        return ()

    def remarks(self) -> Sequence[str]:
        """Who was mapped to what and why, or that nothing did."""
        return tuple(self._remarks)

    def _mapped(self, settings: OneToOneSettings, caller: Subject | None) -> Mapped | None:
        if settings.table is None and not settings.rules:
            return None
        user = User.of(caller)
        if user is None:
            self._remarks.append(f"{_shown(caller)}: no user, so neither table nor rules are for it")
            return None
        properties = self.ask(MappingPropertiesCallback())
        found = mapped(settings, self._table(settings.table), user, properties.properties)
        if found is None:
            self._remarks.append(f"{user}: neither table nor rules have it")
        else:
            other = f", user {found.user!r}" if found.user is not None else ""
            self._remarks.append(f"{user} → alias {found.alias!r}{other}, by {found.why}")
        return found

    def _table(self, path: Path | None) -> CallerTable | None:
        if path is None:
            return None
        reading = table_file(path).current()
        if reading.table is None:
            raise LoginFailed(
                f"the table {path.name} has {len(reading.problems)} mistake(s), the first: {reading.problems[0]}",
                "Correct it; `connector check` lists all.",
            )
        if reading.problems:
            self._remarks.append(f"{path.name} is wrong as it stands; the last one that was right is in force")
        return reading.table

    def _credential_of(self, found: Mapped, factory: object) -> PasswordCredential:
        data = self.data_of(found.alias)
        if data is None:
            raise LoginFailed(
                f"the alias {found.alias!r}, by {found.why}, is not in the authentication data",
                "Add it with `connector auth-data set`, or correct the entry; a named alias is never skipped.",
            )
        return PasswordCredential(found.user or data.user, data.password, factory, found.alias, data.version)


def _shown(caller: Subject | None) -> str:
    if caller is None:
        return "no caller"
    return str(caller.caller) if caller.caller is not None else "a caller without identity"
