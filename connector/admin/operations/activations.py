"""Operations on the activations of a running container: list, pause, resume, retry (FLOW-5)."""

from __future__ import annotations

from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target


def list_activations(target: Target, _request: Request) -> list[dict[str, Any]]:
    """All activations: state, health, figures."""
    return [activation.to_dict() for activation in target.container.activations()]


def pause_activation(target: Target, request: Request) -> dict[str, Any]:
    """Deliver nothing until it is resumed."""
    return _plain(target.container.activation(request.arguments.text("activation")).pause())


def resume_activation(target: Target, request: Request) -> dict[str, Any]:
    """Deliver again."""
    return _plain(target.container.activation(request.arguments.text("activation")).resume())


def retry_activation(target: Target, request: Request) -> dict[str, Any]:
    """Try a failed one again now."""
    return _plain(target.container.activation(request.arguments.text("activation")).retry())


def _plain(outcome: Any) -> dict[str, Any]:
    plain: dict[str, Any] = outcome.to_dict()
    return plain
