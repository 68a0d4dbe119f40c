"""A fake activation for the command line's tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class FakeActivationOutcome:
    plain: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.plain


class FakeActivation:
    """Implements connector.admin.administered.AdministeredActivation; failed until it is resumed or retried."""

    def __init__(self) -> None:
        self.state = "failed"
        self.calls: list[str] = []
        self.in_delivery = 0
        self.ended = True

    def pause(self) -> FakeActivationOutcome:
        return self._become("pause", "paused")

    def resume(self) -> FakeActivationOutcome:
        return self._become("resume", "active" if self.state == "paused" else self.state)

    def retry(self) -> FakeActivationOutcome:
        return self._become("retry", self.state)

    def _become(self, call: str, state: str) -> FakeActivationOutcome:
        self.calls.append(call)
        before, self.state = self.state, state
        return FakeActivationOutcome(
            {
                "activation": "orders:jms/in",
                "before": before,
                "state": state,
                "in_delivery": self.in_delivery,
                "ended": self.ended,
                "error": "the broker refused the user" if state == "failed" else None,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        failed = self.state == "failed"
        return {
            "application": "orders",
            "activation": "jms/in",
            "resource": "jms/orders",
            "state": self.state,
            "healthy": self.state == "active",
            "problem": None if self.state == "active" else self.state,
            "error": "the broker refused the user" if failed else None,
            "polled": None if failed else 0.5,
            "attempts": 3,
            "next_attempt": 4.0 if failed else None,
            "handler": "shop:take",
            "transacted": True,
            "concurrency": 1,
            "ordering": "group",
            "deliveries": {"delivered": 7, "denied": 1, "failed": 2, "active": self.in_delivery},
        }
