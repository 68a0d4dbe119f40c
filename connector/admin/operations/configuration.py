"""Operations on the configuration: get, set, unset, reload (CONF-8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connector.admin.access import Access
from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.container.configuration.environment import toml_value
from connector.container.configuration.key_path_text import joined_where_known, parse_key_path, value_at
from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.container.configuration.shown import shown
from connector.container.configuration.surgery import Edit, SetValue, Unset
from connector.errors import ConfigError, Reason

SECRET_AS_ARGUMENT = Reason(
    "CF-ADM-080",
    "the value of {key} looks like a secret, which other users of the machine can see in a command.",
    "Put it into a file of mode 0600 and set file:PATH, or env:NAME; or use an authentication alias.",
)
PAIRS_WRONG = Reason(
    "CF-ADM-081",
    "the argument 'edits' must be a list of pairs of texts.",
    "Use the `connector` command of the same version as the container.",
)


def get(target: Target, request: Request) -> dict[str, Any]:
    """What is said at a key, with its origin; secrets are hidden."""
    key = request.arguments.optional_text("key")
    found: dict[str, Any] = target.configuration.get(() if key is None else parse_key_path(key))
    return found


def set_keys(target: Target, request: Request) -> dict[str, Any]:
    """Give keys values, all or none."""
    pairs = [(parse_key_path(key), text) for key, text in _pairs(request.arguments.anything("edits"))]
    as_text = request.arguments.flag("text")

    def edits(data: Mapping[str, Any], *, keep_texts: bool) -> list[Edit]:
        return [_assignment(data, path, text, as_text=as_text, keep_texts=keep_texts) for path, text in pairs]

    try:
        return changed(target, request, lambda data: edits(data, keep_texts=True))
    except ConfigError as error:
        if as_text or not error.problems:
            raise
    # The text that stood there may be the mistake that is put right.
    return changed(target, request, lambda data: edits(data, keep_texts=False))


def unset_keys(target: Target, request: Request) -> dict[str, Any]:
    """Take keys away, all or none."""
    paths = [parse_key_path(key) for key in request.arguments.texts("keys")]
    return changed(target, request, lambda _data: [Unset(path) for path in paths])


def reload(target: Target, request: Request) -> dict[str, Any]:
    """Put the edited files in force."""
    report: dict[str, Any] = target.configuration.reload(permit=_permission(request)).to_dict()
    _note(request, report)
    return report


def changed(target: Target, request: Request, decide: Callable[[Mapping[str, Any]], Sequence[Edit]]) -> dict[str, Any]:
    """Make edits that depend on what is there; answers what became of them and notes it for the audit log."""
    revision = request.arguments.optional_text("revision")
    report = target.configuration.update(decide, revision=revision, permit=_permission(request))
    plain: dict[str, Any] = {**report.to_dict(), "running": target.running is not None}
    _note(request, plain)
    return plain


def _permission(request: Request) -> Callable[[bool], None]:
    """Security settings need the administrator; the operation's own access is the configurator's (CONF-4)."""

    def permit(security: bool) -> None:
        if security:
            request.require(Access.ADMINISTRATOR)

    return permit


def _note(request: Request, report: Mapping[str, Any]) -> None:
    request.notes["changed"] = [
        f"{each['key']}: {_brief(each['old'])} -> {_brief(each['new'])}" for each in report["keys"]
    ]
    request.notes["effect"] = report["effect"]
    if report["restart"]:
        request.notes["restart"] = list(report["restart"])


def _brief(value: Any) -> str:
    return "not set" if value is None else repr(value)[:200]


def _assignment(data: Mapping[str, Any], path: KeyPath, text: str, *, as_text: bool, keep_texts: bool) -> SetValue:
    path = joined_where_known(path, data)
    value = text if as_text else toml_value(text)
    if keep_texts and isinstance(value_at(data, path), str) and not isinstance(value, str | list | dict):
        value = text  # where a text stands a number is one as well, as with environment variables
    if shown(value, path) != value:
        raise ConfigError(SECRET_AS_ARGUMENT, key=show_key_path(path))
    return SetValue(path, value)


def _pairs(plain: Any) -> list[tuple[str, str]]:
    pairs = plain if isinstance(plain, list) else []
    good = [
        pair
        for pair in pairs
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(each, str) for each in pair)
    ]
    if not pairs or len(good) != len(pairs):
        raise ConfigError(PAIRS_WRONG)
    return [(key, text) for key, text in good]
