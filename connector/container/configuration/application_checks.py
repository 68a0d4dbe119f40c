"""Checking applications: their descriptors' shape, and that what they bind to exists (CONF-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from connector.container.configuration.activation_checks import check_activation
from connector.container.configuration.activation_section import ActivationSection
from connector.container.configuration.application import (
    ApplicationSection,
    DeploymentSection,
    ReferenceSection,
    RoleSection,
)
from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.login_checks import BUILT_IN_LOGINS
from connector.container.configuration.origins import ENVIRONMENT, OVERRIDES
from connector.container.configuration.plugin_checks import check_plugin
from connector.container.configuration.problems import ProblemCollector, did_you_mean, listed
from connector.container.configuration.sections import Section
from connector.container.configuration.settings import ApplicationSettings
from connector.container.configuration.shape import shaped, table_of_tables
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.contracts import MAPPERS
from connector.errors import Reason
from connector.spi import ALIAS_PROPERTY

RESOURCE_UNKNOWN = Reason(
    "CF-CONF-044", "the unknown resource {bind!r}", "Correct the name, or define [resources.{bind!r}]."
)
RESOURCE_OF_WRONG_KIND = Reason(
    "CF-CONF-045", "the resource {bind!r} of kind {kind!r}", "Bind it to a resource of an allowed kind."
)
LOGIN_UNKNOWN = Reason(
    "CF-CONF-046", "the unknown login configuration {login!r}", "Correct the name, or define [login.{login}]."
)
SETTING_WITHOUT_EFFECT = Reason(
    "CF-CONF-047", 'the key {key!r} with res_auth = "Application", where it has no effect', "Remove it."
)
ALIAS_MISSING = Reason(
    "CF-CONF-048", "no alias for {login}, which then finds no credential", "Add `alias` to the reference."
)
ROLE_UNBOUND = Reason(
    "CF-CONF-049", "the role {role!r}, which nothing binds: nobody is in it", "Bind it: [roles.{role}]."
)

REALM_UNKNOWN = Reason(
    "CF-CONF-094", "the realm {realm!r}, which this container does not have", "Define it: [realms.{realm}]."
)

_REFERABLE = ("connection-factory", "destination")
_ACTIVATABLE = ("activation",)
_CONTAINER_ONLY = ("alias", "login", "mapping_properties", "on_no_credential")

S = TypeVar("S", bound=Section)


@dataclass(frozen=True, slots=True)
class ApplicationChecker:
    """Checks applications against what the container has.

    Attributes:
        folder: The main file's folder, absolute.
        kinds: The kind of each resource; None where that is wrong.
        logins: The names of all configured login configurations.
        catalogue: The plugins.
        problems: Where mistakes go.
        realms: The names of all realms.
        realm: The container's own realm; empty where that is wrong.
    """

    folder: Path
    kinds: Mapping[str, str | None]
    logins: frozenset[str]
    catalogue: PluginCatalogue
    problems: ProblemCollector
    realms: frozenset[str] = frozenset()
    realm: str = ""

    def check(self, data: Mapping[str, Any]) -> Mapping[str, ApplicationSettings]:
        """`[applications]`, merged with their descriptors."""
        checked: dict[str, ApplicationSettings] = {}
        for name, table in table_of_tables(data, "applications", self.problems).items():
            path = ("applications", name)
            deployment = shaped(DeploymentSection, table, path, self.problems).section
            if deployment is not None:
                checked[name] = self._application(name, deployment, path)
        return MappingProxyType(checked)

    def _application(self, name: str, deployment: DeploymentSection, path: KeyPath) -> ApplicationSettings:
        at = (*path, "application")
        application = shaped(ApplicationSection, dict(deployment.application), at, self.problems).section
        application = application or ApplicationSection()
        roles = self._tables(RoleSection, deployment.roles, (*path, "roles"))
        references = self._tables(ReferenceSection, deployment.references, (*path, "references"))
        activations = self._tables(ActivationSection, deployment.activations, (*path, "activations"))
        for key, reference in references.items():
            self._check_reference(reference, (*path, "references", key))
        for key, activation in activations.items():
            at_activation = (*path, "activations", key)
            self._check_activation(activation, frozenset(deployment.roles), at_activation)
            check_activation(activation, roles, at_activation, self.problems)
        return ApplicationSettings(
            name=name,
            descriptor=self.folder / deployment.descriptor,
            handlers=application.handlers,
            path=tuple(str(self._folder_of((*at, "path")) / folder) for folder in application.path),
            unsecured=application.unsecured,
            realm=self._realm_of(application, at),
            roles=roles,
            references=references,
            activations=activations,
        )

    def _realm_of(self, application: ApplicationSection, at: KeyPath) -> str:
        realm = application.realm
        if realm is not None and realm not in self.realms:
            hint = did_you_mean(realm, self.realms)
            self.problems.add(REALM_UNKNOWN, (*at, "realm"), allowed=listed(self.realms), hint=hint, realm=realm)
        return realm or self.realm

    def _tables(self, model: type[S], tables: Mapping[str, object], path: KeyPath) -> Mapping[str, S]:
        said = {key: shaped(model, table, (*path, key), self.problems).section for key, table in tables.items()}
        return MappingProxyType({key: section for key, section in said.items() if section is not None})

    def _folder_of(self, path: KeyPath) -> Path:
        """Paths are relative to the file that says them."""
        file = self.problems.origins.of(path).file
        return self.folder if file in (ENVIRONMENT, OVERRIDES) else Path(file).absolute().parent

    def _check_reference(self, reference: ReferenceSection, path: KeyPath) -> None:
        self._check_bind(reference.bind, _REFERABLE, (*path, "bind"))
        if reference.res_auth == "Application":
            for key in _CONTAINER_ONLY:
                if key in reference.model_fields_set:
                    self.problems.warn(SETTING_WITHOUT_EFFECT, (*path, key), allowed='res_auth = "Container"', key=key)
        login = reference.login
        if login in BUILT_IN_LOGINS:
            if reference.res_auth == "Container":
                self._check_built_in(reference, path)
        elif login not in self.logins:
            known = self.logins | set(BUILT_IN_LOGINS)
            hint = did_you_mean(login, known)
            self.problems.add(LOGIN_UNKNOWN, (*path, "login"), allowed=listed(known), hint=hint, login=login)

    def _check_built_in(self, reference: ReferenceSection, path: KeyPath) -> None:
        module = BUILT_IN_LOGINS[reference.login]
        check_plugin(self.catalogue, MAPPERS, module, (*path, "login"), self.problems, what="login module")
        named = reference.alias is not None or ALIAS_PROPERTY in reference.mapping_properties
        if not named and reference.on_no_credential == "fail":
            self.problems.warn(ALIAS_MISSING, (*path, "alias"), allowed="an alias", login=reference.login)

    def _check_activation(self, activation: ActivationSection, roles: frozenset[str], path: KeyPath) -> None:
        self._check_bind(activation.bind, _ACTIVATABLE, (*path, "bind"))
        for number, role in enumerate(activation.roles_allowed or ()):
            if role not in roles:
                where = (*path, "roles_allowed", number)
                hint = did_you_mean(role, roles)
                self.problems.warn(ROLE_UNBOUND, where, allowed=listed(roles), hint=hint, role=role)

    def _check_bind(self, bind: str, kinds: tuple[str, ...], path: KeyPath) -> None:
        fitting = [name for name, kind in self.kinds.items() if kind in kinds]
        if bind not in self.kinds:
            hint = did_you_mean(bind, fitting)
            self.problems.add(RESOURCE_UNKNOWN, path, allowed=listed(fitting), hint=hint, bind=bind)
        elif (kind := self.kinds[bind]) is not None and kind not in kinds:
            allowed = f"a resource of kind {' or '.join(kinds)}: {listed(fitting)}"
            self.problems.add(RESOURCE_OF_WRONG_KIND, path, allowed=allowed, bind=bind, kind=kind)
