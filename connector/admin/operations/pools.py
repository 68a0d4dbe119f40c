"""Operations on the pools of a running container: show, purge (POOL-6)."""

from __future__ import annotations

from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target


def show_pools(target: Target, request: Request) -> list[dict[str, Any]]:
    """Figures and contents of one pool, or of all; user names and aliases, never a credential."""
    reference = request.arguments.optional_text("reference")
    container = target.container
    pools = container.pools() if reference is None else (container.pool(reference),)
    return [pool.to_dict() for pool in pools]


def purge_pool(target: Target, request: Request) -> dict[str, Any]:
    """Take out all connections of a pool; with `dry_run` only say what would go."""
    dry_run = request.arguments.flag("dry_run")
    report: dict[str, Any] = target.container.pool(request.arguments.text("reference")).purge(dry_run=dry_run).to_dict()
    return report
