"""Operations on transactions: list, recover, and decide what is in doubt (FLOW-8)."""

from __future__ import annotations

from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target


def list_transactions(target: Target, _request: Request) -> list[dict[str, Any]]:
    """What is not finished."""
    return target.container.transactions.to_list()


def recover_transactions(target: Target, _request: Request) -> list[dict[str, Any]]:
    """Ask all resources, finish what can be."""
    return target.container.transactions.recover()


def commit_transaction(target: Target, request: Request) -> list[dict[str, Any]]:
    """Decide for a commit."""
    return target.container.transactions.commit(request.arguments.text("unit"))


def rollback_transaction(target: Target, request: Request) -> list[dict[str, Any]]:
    """Decide for a rollback."""
    return target.container.transactions.rollback(request.arguments.text("unit"))


def forget_transaction(target: Target, request: Request) -> list[dict[str, Any]]:
    """Do no more about one."""
    return target.container.transactions.forget(request.arguments.text("unit"))
