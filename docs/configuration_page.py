"""The generated page `configuration.md`: every key, from the models of the core and the adapters' `ra.toml`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from connector.container.configuration import (
    activation_section,
    application,
    model,
    naming_section,
    pool_section,
    tls_section,
    work_section,
)
from connector.container.configuration.model import CORE_SECTIONS
from connector.container.configuration.sections import Section
from connector.container.plugins.catalogue import PluginCatalogue
from connector.spi import ConfigProperty

HEAD = """# Configuration reference

Generated from the code by `docs/generate.py`: the core's sections from their models, the others from the `ra.toml` of
the adapter, the `plugin.toml` of the plugin, or the `mapper.toml` of the mapping module, that owns them. Unknown keys
are mistakes; all mistakes are reported at once, with file, line and what is allowed. Durations are texts such as
`"250ms"`, `"30s"`, `"5m"`, `"1h"`, or numbers in seconds; sizes `"64KiB"`, `"10MB"`, or bytes. A secret is
`"file:PATH"` or `"env:NAME"`; plain text is reported by `connector check`.
Precedence: explicit overrides, environment (`CONNECTOR__SECTION__KEY`), file, default.
"""

CONNECTOR_TOML = (
    ("[container]", model.ContainerSection),
    ('[realms.NAME], registry = "file"', model.FileRealmSection),
    ("[realms.NAME], another registry", model.RealmSection),
    ("[realms.NAME.inbound_maps.FOREIGN]", model.InboundMapSection),
    ('[auth_data], store = "file"', model.FileAuthDataSection),
    ('[auth_data], store = "env"', model.EnvAuthDataSection),
    ("[auth_data], another store", model.AuthDataSection),
    ("[login.NAME]", model.LoginSection),
    ("stack = [{ … }] of [login.NAME]", model.StackEntry),
    ("[resources.NAME]", model.ResourceSection),
    ("pool = { … } of [resources.NAME]", pool_section.PoolSection),
    ("[tls.NAME]", tls_section.TlsSection),
    ("[work]", work_section.WorkSection),
    ("per_adapter.NAME of [work]", work_section.AdapterWorkSection),
    ("[admin]", model.AdminSection),
    ("[naming]", naming_section.NamingSection),
    ("provider of [naming]", naming_section.NamingProviderSection),
    ("[plugins]", model.PluginsSection),
    ("[applications.NAME]", application.DeploymentSection),
)
DESCRIPTOR = (
    ("[application]", application.ApplicationSection),
    ("[roles.NAME]", application.RoleSection),
    ("[references.NAME]", application.ReferenceSection),
    ("[activations.NAME]", activation_section.ActivationSection),
)


def configuration_page() -> str:
    """The whole page as MyST text."""
    lines = [HEAD, "## connector.toml", ""]
    for title, section in CONNECTOR_TOML:
        lines += _section(title, section)
    lines += ["## The application's descriptor", ""]
    for title, section in DESCRIPTOR:
        lines += _section(title, section)
    catalogue = PluginCatalogue.discover()
    for name, adapter in sorted(catalogue.adapters.items()):
        lines += [f"## Adapter {name}", "", adapter.description, ""]
        for title, declared in (
            ("properties of a connection factory", adapter.connection_factory),
            ("properties of an activation specification", adapter.activation),
            ("properties of a destination", adapter.destination),
        ):
            if declared:
                lines += [f"### {name}: {title}", "", *_table(declared)]
        lines += _owned(adapter.sections)
    for name, store in sorted(catalogue.stores.items()):
        lines += [f"## Store {name}", "", store.description, ""]
        lines += _owned(store.sections)
    for name, mapper in sorted(catalogue.mappers.items()):
        lines += [f"## Mapping module {name}", "", mapper.description, ""]
        if mapper.options:
            lines += [f"### {name}: options in a stack of [login.NAME]", "", *_table(mapper.options)]
    for name, registry in sorted(catalogue.registries.items()):
        lines += [f"## User registry {name}", "", registry.description, ""]
        lines += _owned(registry.sections, {"realms": f'[realms.NAME], registry = "{name}"'})
    for name, plugin in sorted(catalogue.described.items()):
        if plugin.sections.keys() <= CORE_SECTIONS:  # told above, where it plugs in as something else
            continue
        lines += [f"## Plugin {name}", "", plugin.description, ""]
        lines += _owned(plugin.sections)
    return "\n".join(lines)


def _owned(sections: Mapping[str, ConfigProperty], titles: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    for name, section in sections.items():
        yield from (f"### {titles.get(name, f'[{name}]')}", "", section.doc, "", *_table(section.properties))


def _section(title: str, section: type[Section]) -> list[str]:
    lines = [f"### {title}", "", inspect.cleandoc(section.__doc__ or ""), ""]
    lines += ["| key | type | default |", "|---|---|---|"]
    for name, field in section.model_fields.items():
        default = "required" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`"
        lines.append(f"| `{name}` | {_type(_annotation(section, name))} | {default} |")
    return [*lines, ""]


def _annotation(section: type[Section], name: str) -> object:
    """As it stands in the source, in the section or in the one that it extends."""
    return next(kind.__annotations__[name] for kind in section.__mro__ if name in vars(kind).get("__annotations__", {}))


def _type(annotation: object) -> str:
    """An annotation in a deployer's words."""
    text = str(annotation)
    words = {
        "Annotated[int, Field(ge=1)]": "integer, at least 1",
        "Annotated[int, Field(ge=1)] | None": "integer, at least 1",
        "Annotated[int, Field(ge=0)]": "integer, at least 0",
        "Name | None": "text",
        "Name": "text",
        "Names | None": "list of texts",
        "Names": "list of texts",
        "Texts": "table of texts",
        "FreeTable": "table",
        "Duration": "duration",
        "Duration | None": "duration",
        "WatchInterval | None": "duration",
        "bool": "boolean",
        "bool | None": "boolean",
        "Flag": "required, requisite, sufficient or optional",
        "ResourceKind": "connection-factory, activation or destination",
        "AdminHolders": "list of user:NAME and group:NAME",
        "PoolSection": "table",
    }
    if text in words:
        return words[text]
    choices = re.findall(r"'([^']+)'|\"([^\"]+)\"", text)
    if "Literal" in text and choices:
        return ", ".join(first or second for first, second in choices)
    if "Special" in text:
        return "list of Everyone, AllAuthenticated, AllAuthenticatedInTrustedRealms, Server"
    return "list of tables" if "tuple" in text else "table"


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Section):
        return "its defaults"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    if isinstance(value, Mapping):
        return "{ }"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _table(declared: Mapping[str, ConfigProperty]) -> list[str]:
    lines = ["| key | type | default | |", "|---|---|---|---|"]
    lines += [f"| `{path}` | {kind} | {default} | {doc} |" for path, kind, default, doc in _rows(declared, "")]
    return [*lines, ""]


def _rows(declared: Mapping[str, ConfigProperty], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, one in declared.items():
        path = f"{prefix}{'NAME' if name == '*' else name}"
        kind = one.type.replace("|", " or ")
        if one.choices:
            kind = ", ".join(str(choice) for choice in one.choices)
        default = "required" if one.required else f"`{_plain(one.default)}`"
        yield path, kind, default, one.doc.replace("|", "\\|")
        yield from _rows(one.properties, f"{path}.")
