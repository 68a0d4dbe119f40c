"""The shape of an application: its descriptor, and what a deployment may override of it (CONF-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from connector.container.configuration.sections import Name, Names, Section, Texts, empty
from connector.errors import Reason

CREDENTIALS_IN_REFERENCE = Reason(
    "CF-CONF-014",
    "the key {key!r}: a reference holds no credentials",
    "Put user and password into the authentication data (connector auth-data set) and name its `alias`.",
)

Special = Literal["Everyone", "AllAuthenticated", "AllAuthenticatedInTrustedRealms", "Server"]


class ApplicationSection(Section):
    """`[application]`: modules that hold message-driven handlers, and folders that are added to the import path.

    `unsecured = "allow"` accepts handlers with roles on a container that doesn't check them (FLOW-7). `realm` is the
    realm of the application's logins, roles and callers; the container's own unless set.
    """

    handlers: Names = ()
    path: Names = ()
    unsecured: Literal["refuse", "allow"] = "refuse"
    realm: Name | None = None


class RoleSection(Section):
    """`[roles.NAME]`: who is in the role (FLOW-5)."""

    users: Names = ()
    groups: Names = ()
    special: Annotated[tuple[Special, ...], Field(strict=False)] = ()


class ReferenceSection(Section):
    """`[references.NAME]`: a resource reference (CONF-3).

    `login`, `alias`, `mapping_properties` and `on_no_credential` have effect with `res_auth = "Container"` only.
    """

    refused: ClassVar[Mapping[str, Reason]] = dict.fromkeys(("user", "password"), CREDENTIALS_IN_REFERENCE)

    bind: Name
    res_auth: Literal["Application", "Container"] = "Application"
    sharing: Literal["Shareable", "Unshareable"] = "Shareable"
    login: Name = "DefaultPrincipalMapping"
    alias: Name | None = None
    mapping_properties: Texts = Field(default_factory=empty)
    on_no_credential: Literal["fail", "factory-default", "anonymous"] = "fail"


class DeploymentSection(Section):
    """`[applications.NAME]` as merged: the descriptor's tables under what the deployment says of them."""

    descriptor: Name
    unsecured: Literal["refuse", "allow"] | None = None
    application: Mapping[str, object] = Field(default_factory=empty)
    roles: Mapping[str, object] = Field(default_factory=empty)
    references: Mapping[str, object] = Field(default_factory=empty)
    activations: Mapping[str, object] = Field(default_factory=empty)
