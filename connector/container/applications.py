"""Applications of a container, made of their configuration: name space, realm, resource references (CONF-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connector.container.configuration.application import ReferenceSection
from connector.container.configuration.settings import ApplicationSettings, ContainerConfiguration
from connector.container.login_door import LoginDoor
from connector.container.naming import Application
from connector.signon.reference import OnNoCredential, ResAuth, ResourceReference

if TYPE_CHECKING:
    from connector.container.parts import Parts


def make_application(
    parts: Parts, settings: ApplicationSettings, references: Mapping[str, ResourceReference]
) -> Application:
    """An application's name space, in its realm."""
    door = LoginDoor(parts.realms[settings.realm], parts.label)
    return Application(settings.name, references, parts.binder.connect, door)


def make_references(
    configuration: ContainerConfiguration, application: ApplicationSettings
) -> dict[str, ResourceReference]:
    """An application's resource references by name."""
    return {
        key: make_reference(key, one, configuration.overridden(application.name, key))
        for key, one in application.references.items()
    }


def make_reference(name: str, configured: ReferenceSection, overridden: tuple[str, ...]) -> ResourceReference:
    """A resource reference from its validated configuration (CONF-3)."""
    return ResourceReference(
        name=name,
        resource=configured.bind,
        res_auth=ResAuth(configured.res_auth),
        shareable=configured.sharing == "Shareable",
        login=configured.login,
        alias=configured.alias,
        mapping_properties=dict(configured.mapping_properties),
        on_no_credential=OnNoCredential(configured.on_no_credential),
        overridden=overridden,
    )
