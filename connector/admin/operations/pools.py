"""Operations on the pools of a running container: show, purge, resize, suspend, resume (POOL-6)."""

from __future__ import annotations

from typing import Any, Final

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target

#: The modes of a purge; documented at connector.pool.flushing.FlushMode.
MODES: Final = ("gracefully", "idle", "invalid", "all")
#: What lifts the limit of each identity.
NO_LIMIT: Final = "none"
#: The arguments that say what was asked, for the audit log.
PURGED: Final = ("reference", "mode", "user", "alias", "below_version", "dry_run")
RESIZED: Final = ("reference", "max_size", "min_size", "per_identity")

#: Leaves the limit of each identity as it is.
_UNCHANGED: Final = -1


def show_pools(target: Target, request: Request) -> list[dict[str, Any]]:
    """Settings, figures and contents of one pool, or of all; user names and aliases, never a credential."""
    reference = request.arguments.optional_text("reference")
    leaks = request.arguments.flag("leaks")
    container = target.container
    pools = container.pools() if reference is None else (container.pool(reference),)
    return [pool.to_dict(leaks=leaks) for pool in pools]


def purge_pool(target: Target, request: Request) -> dict[str, Any]:
    """Take connections out of a pool; with `dry_run` only say which would go."""
    arguments = request.arguments
    outcome = target.container.pool(arguments.text("reference")).flush(
        arguments.choice("mode", MODES, MODES[0]),
        user=arguments.optional_text("user"),
        alias=arguments.optional_text("alias"),
        below_version=arguments.optional_whole("below_version", least=0),
        dry_run=arguments.flag("dry_run"),
    )
    return _plain(outcome)


def resize_pool(target: Target, request: Request) -> dict[str, Any]:
    """Make a pool larger or smaller; what is not given stays as it is, and the configuration does."""
    arguments = request.arguments
    per_identity: int | None = _UNCHANGED
    if arguments.anything("per_identity") == NO_LIMIT:
        per_identity = None
    else:
        given = arguments.optional_whole("per_identity", least=1)
        per_identity = _UNCHANGED if given is None else given
    sizes = (arguments.optional_whole("max_size", least=1), arguments.optional_whole("min_size", least=0), per_identity)
    return _plain(target.container.pool(arguments.text("reference")).resize(*sizes))


def suspend_pool(target: Target, request: Request) -> dict[str, Any]:
    """Lend nothing until it is resumed."""
    return _plain(target.container.pool(request.arguments.text("reference")).suspend())


def resume_pool(target: Target, request: Request) -> dict[str, Any]:
    """Lend again."""
    return _plain(target.container.pool(request.arguments.text("reference")).resume())


def _plain(outcome: Any) -> dict[str, Any]:
    plain: dict[str, Any] = outcome.to_dict()
    return plain
