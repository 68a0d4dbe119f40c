"""A container's configuration as the commands see it before any container is open: where its state and stores are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, final

from connector.admin.administered import EditedConfiguration
from connector.admin.operations.target import Stores
from connector.errors import ConfigError
from connector.spi import UserRegistry

if TYPE_CHECKING:
    from connector.container.configuration.settings import NamingProvider, RealmSettings


@final
@dataclass(frozen=True, slots=True)
class Profile:
    """What a command needs to know of a configuration.

    Attributes:
        path: The configuration file.
        name: The container's name.
        state_folder: Where a running container keeps its lock and its admin socket.
        security: Whether administrative security is on.
        stores: User registry and authentication data.
        resources: The global names that it defines.
        naming: Where names are looked up that it does not define; None for nowhere.
        login_file: The encrypted file with the authentication data; None where they are kept elsewhere.
        overrides: What the command's options change of the configuration; for the container that is opened with it.
    """

    path: Path
    name: str
    state_folder: Path
    security: bool
    stores: Stores
    resources: frozenset[str] = frozenset()
    naming: NamingProvider | None = None
    login_file: Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def open_configuration(self) -> EditedConfiguration:
        """The configuration's files, to read and to change them while no container runs."""
        from connector.container.configuration_editor import ConfigurationEditor
        from connector.container.start_checks import check_as_a_start_would

        return ConfigurationEditor(self.path, overrides=self.overrides, check=check_as_a_start_would)


def load_profile(path: Path, overrides: Mapping[str, Any] = MappingProxyType({}), *, mistakes: bool = False) -> Profile:
    """Read and validate a configuration; starts nothing.

    Args:
        path: Its file.
        overrides: Settings that win over it.
        mistakes: Whether a configuration with mistakes will do, for commands that show it or put it right; its stores
            can't be opened then.

    Blocks for reading the file and what it names. Raises ConfigError with all mistakes (CONF-1).
    """
    # Imported here: pydantic is not for `--help`, `version` and `plugins` to wait for.
    from connector.container.auth_data_store import configured_key, make_store
    from connector.container.configuration.load import load_configuration
    from connector.container.plugins.catalogue import PluginCatalogue
    from connector.container.realms import make_registry

    file = path.absolute()
    catalogue = PluginCatalogue.discover()
    try:
        configuration = load_configuration(file, catalogue=catalogue, overrides=overrides)
    except ConfigError as error:
        profile = _with_mistakes(file, overrides, error) if mistakes else None
        if profile is None:
            raise
        return profile
    core = configuration.container

    def opener(realm: RealmSettings) -> Callable[[], UserRegistry]:
        return lambda: make_registry(realm, catalogue)

    registries = {name: opener(realm) for name, realm in configuration.realms.items()}
    stores = Stores(
        realm=core.realm,
        open_registry=registries[core.realm],
        open_auth_data=lambda: make_store(configuration, catalogue),
        open_key=lambda: configured_key(configuration),
        tls=lambda: configuration.tls,
        registries=registries,
    )
    return Profile(
        file,
        core.name,
        Path(core.state),
        core.security,
        stores,
        frozenset(configuration.resources),
        configuration.naming_provider,
        Path(configuration.auth_data.settings["path"]) if configuration.auth_data.store == "file" else None,
        dict(overrides),
    )


def _with_mistakes(file: Path, overrides: Mapping[str, Any], error: ConfigError) -> Profile | None:
    """The profile of a configuration that can't be used, as far as it says what it is; None where it does not."""
    from connector.container.configuration.document import Document, read_document

    document = read_document(file)
    core = document.data.get("container") if isinstance(document, Document) else None
    if not isinstance(core, Mapping) or not isinstance(core.get("state", "state"), str):
        return None

    def refuse() -> NoReturn:
        raise error

    state = file.parent / core.get("state", "state")
    security = core.get("security") is not False
    return Profile(file, str(core.get("name")), state, security, Stores("", refuse, refuse), overrides=dict(overrides))
