"""Reading and changing the configuration by command: validated first as a whole, atomic, comments kept (CONF-8).

Theory of operation
-------------------
The TOML files are the only master. A change reads them, makes the edit on the text, loads the result as a start would,
and only then replaces the one file that the edit belongs to. Where a container runs, it puts in force what can be live
before the file is replaced, and takes it back where that fails: the disk never holds what did not come about. Other
commands are kept away by a lock; an editor that holds none is noticed, since the file is compared once more before it
is replaced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from connector.container.configuration.differences import changed_paths
from connector.container.configuration.key_path_text import joined_where_known, parse_key_path, value_at
from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.layers import Layers, read_layers
from connector.container.configuration.load import load_configuration
from connector.container.configuration.overridden import overriding
from connector.container.configuration.readings import Readings
from connector.container.configuration.resource_checks import section_owners
from connector.container.configuration.security_settings import is_security
from connector.container.configuration.settings import ContainerConfiguration
from connector.container.configuration.shown import shown
from connector.container.configuration.surgery import NOTHING_THERE, Edit, SetValue, Unset
from connector.container.edit_report import EditedKey, EditReport, Effect
from connector.container.edited_text import CHANGED_MEANWHILE, NOT_WRITABLE, EditedText, edit_text
from connector.container.live_change import Applier, LiveChange
from connector.container.plugins.catalogue import PluginCatalogue
from connector.errors import ConfigError, NameNotFound
from connector.security.durable_file import exclusive

_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class _Tried:
    """An edit that was made on the text and loaded; `written` are the keys that the file says differently."""

    text: EditedText
    written: tuple[KeyPath, ...]
    configuration: ContainerConfiguration
    catalogue: PluginCatalogue
    revision: str


#: Told whether a change touches security, before anything is changed; raises where the caller may not.
Permission = Callable[[bool], None]


@final
class ConfigurationEditor:
    """Reads and changes one container's configuration. Safe to use from any thread and from several processes.

    Args:
        path: The main file.
        overrides: What the container was, or would be, opened with.
        environ: Where `CONNECTOR__…` variables are; the process's own by default.
        check: What a start would check beyond loading.
        applier: The running container; None where none runs.
    """

    def __init__(
        self,
        path: Path,
        *,
        overrides: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        check: Callable[[ContainerConfiguration, PluginCatalogue], None] = lambda _configuration, _catalogue: None,
        applier: Applier | None = None,
    ) -> None:
        self._path = path.absolute()
        self._overrides = dict(overrides or {})
        self._environ = environ
        self._check = check
        self._applier = applier

    # --- reading ---------------------------------------------------------------------------------------------------

    def get(self, path: KeyPath | str = ()) -> dict[str, Any]:
        """What is said at a key, by all sources together, as plain data with its origin; secrets are hidden.

        Without a path the whole. Works on files that have mistakes, as long as they are TOML. Blocks for the disk.
        Raises NameNotFound (CF-CONF-072) where nobody has said anything, ConfigError for unreadable files.
        """
        layers, readings = self._layers(Readings())
        path = joined_where_known(_path(path), layers.data)
        value = value_at(layers.data, path, _MISSING)
        if value is _MISSING:
            raise NameNotFound(NOTHING_THERE, key=show_key_path(path))
        place = layers.origins.of(path)
        return {
            "key": show_key_path(path),
            "value": shown(value, path),
            "file": place.variable or place.file,
            "line": place.line,
            "revision": readings.revision,
        }

    # --- changing --------------------------------------------------------------------------------------------------

    def set(self, key: KeyPath | str, value: Any) -> EditReport:
        """Give one key a value, plain TOML data; see `change`."""
        return self.change([SetValue(_path(key), value)])

    def unset(self, key: KeyPath | str) -> EditReport:
        """Take one key out, with everything below it; see `change`."""
        return self.change([Unset(_path(key))])

    def change(
        self, edits: Sequence[Edit], *, revision: str | None = None, permit: Permission = lambda _security: None
    ) -> EditReport:
        """Make edits, all or none; answers what became of them and when they are in force.

        Blocks for the disk, for other commands' changes, for the registry and, on a running container, for what is put
        in force (the end of an activation takes some seconds). An edit that changes nothing writes nothing.

        Args:
            edits: What to change, with paths from the top.
            revision: What `get` answered; another one by now means that somebody has changed the files since.
            permit: Told whether security is touched; raises where the caller may not.

        Raises:
            ConfigError: What the edit would make wrong, with file and line; CF-CONF-071 to -075.
            ConnectorError: What a running container could not put in force; nothing is changed then.
        """
        return self.update(lambda _data: edits, revision=revision, permit=permit)

    def update(
        self,
        decide: Callable[[Mapping[str, Any]], Sequence[Edit]],
        *,
        revision: str | None = None,
        permit: Permission = lambda _security: None,
    ) -> EditReport:
        """The same for edits that depend on what is there: `decide` is given what all sources say, under the lock, so
        that of two commands that add to one list at the same time neither is lost. What it raises goes on.
        """
        with self._locked():
            layers, readings = self._layers(Readings())
            if revision is not None and revision != readings.revision:
                raise ConfigError(CHANGED_MEANWHILE, file=self._path)
            edits = [_joined(edit, layers.data) for edit in decide(layers.data)]
            tried = self._try(edits, readings)
            if tried is None:
                keys = self._keys(edits, layers, layers)
                return EditReport(str(self._path), keys, Effect.NONE, changed=False, revision=readings.revision)
            paths = changed_paths(layers.data, tried.configuration.said)
            declared = _declared(tried.catalogue)
            # What an override hides is a change all the same, and in force as soon as it goes.
            permit(any(is_security(path, declared) for path in (*paths, *tried.written)))
            self._check_edit(tried)
            live = self._write(tried)
            return self._report(edits, layers, tried, paths, live)

    def reload(self, *, permit: Permission = lambda _security: None) -> EditReport:
        """Put in force on the running container what somebody has edited in the files; all or nothing.

        Raises ConfigError with all mistakes of the files, ConnectorError for what could not be put in force: then what
        was in force stays in force, and the files stay as they were edited.
        """
        with self._locked():
            readings = Readings()
            catalogue = PluginCatalogue.discover(environ=self._environ)
            configuration = self._load(catalogue, readings)
            self._check(configuration, catalogue)
            live: tuple[KeyPath, ...] = ()
            restart: tuple[KeyPath, ...] = ()
            if self._applier is not None:
                declared = _declared(catalogue)
                paths = changed_paths(self._applier.said, configuration.said)
                permit(any(is_security(path, declared) for path in paths))
                applied = self._applier.apply(configuration, catalogue)
                applied.keep()
                live, restart = applied.live, applied.restart
            return EditReport(
                str(self._path),
                (),
                _effect(live, restart, running=self._applier is not None),
                tuple(map(show_key_path, live)),
                tuple(map(show_key_path, restart)),
                readings.revision,
                changed=bool(live or restart),
            )

    # --- how -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            lock = exclusive(self._path.resolve())
            lock.__enter__()
        except OSError as error:
            raise ConfigError(NOT_WRITABLE, file=self._path, cause=error.strerror or type(error).__name__) from None
        try:
            yield
        finally:
            lock.__exit__(None, None, None)

    def _layers(self, readings: Readings) -> tuple[Layers, Readings]:
        environ = os.environ if self._environ is None else self._environ
        return read_layers(self._path, self._overrides, environ, readings), readings

    def _load(self, catalogue: PluginCatalogue, readings: Readings) -> ContainerConfiguration:
        return load_configuration(
            self._path, catalogue=catalogue, overrides=self._overrides, environ=self._environ, read=readings
        )

    def _try(self, edits: Sequence[Edit], readings: Readings) -> _Tried | None:
        """Make the edits on the text of their file and load the result; None where they change nothing."""
        text = edit_text(self._path, edits, readings)
        if text is None:
            return None
        catalogue = PluginCatalogue.discover(environ=self._environ)
        read = Readings({text.file: text.after})
        configuration = self._load(catalogue, read)
        return _Tried(text, text.written, configuration, catalogue, read.revision)

    def _check_edit(self, tried: _Tried) -> None:
        """Refuse what the edit makes wrong. What a start would find wrong without it as well hinders no edit: of two
        users who have left and still hold roles, one could not be taken out of them without the other.
        """
        try:
            self._check(tried.configuration, tried.catalogue)
        except ConfigError as error:
            known = self._known_mistakes(tried.catalogue)
            if not error.problems or any((each.code, each.found) not in known for each in error.problems):
                raise

    def _known_mistakes(self, catalogue: PluginCatalogue) -> frozenset[tuple[str, str]]:
        """Code and finding of what a start would find wrong with the files as they are."""
        try:
            self._check(self._load(catalogue, Readings()), catalogue)
        except ConfigError as error:
            return frozenset((each.code, each.found) for each in error.problems)
        return frozenset()

    def _write(self, tried: _Tried) -> LiveChange | None:
        """Put in force, then write: what can't be put in force is never written, and what can't be written undone."""
        applied = None if self._applier is None else self._applier.apply(tried.configuration, tried.catalogue)
        try:
            tried.text.replace()
        except BaseException:
            if applied is not None:
                applied.undo()
            raise
        if applied is not None:
            applied.keep()
        return applied

    def _report(
        self, edits: Sequence[Edit], before: Layers, tried: _Tried, paths: Sequence[KeyPath], live: LiveChange | None
    ) -> EditReport:
        after, _ = self._layers(Readings())
        in_force = () if live is None else tuple(path for path in paths if path in live.live)
        restart = () if live is None else tuple(path for path in paths if path in live.restart)
        return EditReport(
            str(tried.text.file),
            self._keys(edits, before, after),
            _effect(in_force, restart, running=live is not None) if paths else Effect.NONE,
            tuple(map(show_key_path, in_force)),
            tuple(map(show_key_path, restart)),
            tried.revision,
            changed=True,
        )

    def _keys(self, edits: Sequence[Edit], before: Layers, after: Layers) -> tuple[EditedKey, ...]:
        def at(layers: Layers, path: KeyPath) -> Any:
            return shown(value_at(layers.data, path), path)

        return tuple(
            EditedKey(show_key_path(e.path), at(before, e.path), at(after, e.path), overriding(after.origins, e.path))
            for e in edits
        )


def _path(key: KeyPath | str) -> KeyPath:
    return parse_key_path(key) if isinstance(key, str) else key


def _joined(edit: Edit, data: Mapping[str, Any]) -> Edit:
    path = joined_where_known(edit.path, data)
    return SetValue(path, edit.value) if isinstance(edit, SetValue) else Unset(path)


def _declared(catalogue: PluginCatalogue) -> dict[str, Any]:
    owned = (each for owners in section_owners(catalogue) for each in owners.values())
    return {name: declared for each in owned for name, declared in each.items()}


def _effect(live: Sequence[KeyPath], restart: Sequence[KeyPath], *, running: bool) -> Effect:
    if not running:
        return Effect.NEXT_START
    if restart:
        return Effect.PARTLY if live else Effect.RESTART
    return Effect.LIVE
