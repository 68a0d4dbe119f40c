"""`[naming]`: the port for look-ups from outside, and where this container's own clients look names up (CONF-6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from connector.container.configuration.problems import ProblemCollector, did_you_mean, listed
from connector.container.configuration.sections import Name, Section
from connector.container.configuration.settings import Demand, NamingPort, NamingProvider
from connector.container.configuration.shape import shaped
from connector.errors import Reason
from connector.security.tls.settings import TlsSettings

TOO_OPEN = Reason(
    "CF-CONF-085",
    "{key} = {found!r} with administrative security on",
    "Leave it out: with administrative security look-ups from outside need a login and TLS (CONF-6).",
)
NO_TLS = Reason(
    "CF-CONF-086",
    "a naming port with TLS and {found}",
    "Name one in `tls` of [naming]; `connector init` makes [tls.node-default].",
)
TLS_UNKNOWN = Reason(
    "CF-CONF-087", "the unknown TLS configuration {found!r}", "Define it: [tls.{found}] with its stores."
)
ADDRESS_WRONG = Reason("CF-CONF-088", "{found!r}, which is no address", "Write HOST:PORT; the usual port is 2809.")

DemandName = Literal["off", "supported", "required"]


class NamingProviderSection(Section):
    """`[naming.provider]`: where names are looked up that this container doesn't define itself, and as whom.

    `address` is HOST:PORT of the other container's naming port; `tls` names the TLS configuration for the look-up, none
    is plain TCP; `alias` is the authentication data of the look-up's login. The connections that are made afterwards
    are another matter: `connection_tls` and `connection_alias` are theirs, and `connection_properties`, which win over
    those that were looked up.
    """

    address: Name
    tls: Name | None = None
    alias: Name | None = None
    connection_tls: Name | None = None
    connection_alias: Name | None = None
    connection_properties: Mapping[str, Any] = Field(default_factory=dict)


class NamingSection(Section):
    """`[naming]`: a port on which clients outside look connection factories and destinations up by name.

    They are given settings, never secrets. `encryption` and `login` say whether TLS and a login are off, supported or
    required: required with administrative security, else off unless given. `tls` names the port's TLS configuration.
    """

    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    host: Name = "127.0.0.1"
    tls: Name | None = None
    encryption: DemandName | None = None
    login: DemandName | None = None
    provider: NamingProviderSection | None = None


def check_naming(
    data: Mapping[str, Any], tls: Mapping[str, TlsSettings], problems: ProblemCollector, *, security: bool
) -> tuple[NamingPort | None, NamingProvider | None]:
    """The port and the provider; None for what there is not."""
    section = shaped(NamingSection, data.get("naming", {}), ("naming",), problems).section
    if section is None:
        return None, None
    return _port(section, tls, problems, security=security), _provider(section.provider, tls, problems)


def _port(
    section: NamingSection, tls: Mapping[str, TlsSettings], problems: ProblemCollector, *, security: bool
) -> NamingPort | None:
    if section.port is None:
        return None
    default = Demand.REQUIRED if security else Demand.OFF
    asked = {}
    for key in ("encryption", "login"):
        said = getattr(section, key)
        asked[key] = default if said is None else Demand(said)
        if security and asked[key] is not Demand.REQUIRED:
            problems.add(TOO_OPEN, ("naming", key), allowed="required", key=key, found=said)
    used = None
    if asked["encryption"] is not Demand.OFF:
        used = None if section.tls is None else tls.get(section.tls)
        if used is None:
            found = "no TLS configuration" if section.tls is None else f"the unknown TLS configuration {section.tls!r}"
            hint = did_you_mean(section.tls or "", tls)
            problems.add(NO_TLS, ("naming", "tls"), allowed=listed(tls), hint=hint, found=found)
    return NamingPort(section.host, section.port, used, asked["encryption"], asked["login"])


def _provider(
    section: NamingProviderSection | None, tls: Mapping[str, TlsSettings], problems: ProblemCollector
) -> NamingProvider | None:
    if section is None:
        return None
    place = ("naming", "provider")
    for key in ("tls", "connection_tls"):
        name = getattr(section, key)
        if name is not None and name not in tls:
            problems.add(TLS_UNKNOWN, (*place, key), allowed=listed(tls), hint=did_you_mean(name, tls), found=name)
            return None
    host, _, port = section.address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        problems.add(ADDRESS_WRONG, (*place, "address"), allowed="HOST:PORT", found=section.address)
        return None
    return NamingProvider(
        host.strip("[]"),
        int(port),
        None if section.tls is None else tls[section.tls],
        section.alias,
        section.connection_tls,
        section.connection_alias,
        section.connection_properties,
    )
