"""The shape of an activation: what is delivered to a handler, how, and what becomes of failures (FLOW-5, FLOW-8)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.container.configuration.sections import Duration, Name, Names, Section


class ActivationSection(Section):
    """`[activations.NAME]`: binds a handler's activation to an activation specification (FLOW-5, FLOW-8).

    `roles_allowed` and `transacted` win over the handler's decorator where given; `alias` is what the adapter signs
    on with to consume. `run_as` is `"alias:NAME"` (the alias's user) or `"role:NAME"` (the one user that `[roles.NAME]`
    names): the handler's outbound work and its reply are then done as that user, while the caller stays the caller.

    `ordering` keeps the order of all messages (`"queue"`, one at a time), of those of one group (`"group"`), or of
    none. A failed message is delivered again up to `max_redeliveries` times, after `redelivery_delay`, each time
    `redelivery_backoff` times as long, at most `redelivery_max_delay`; then it goes to the exception destination.
    `transaction_timeout` limits the unit of work of a transacted handler. An activation counts as healthy while its
    source was seen within `healthy_within`.
    """

    bind: Name
    alias: Name | None = None
    run_as: Name | None = None
    roles_allowed: Names | None = None
    transacted: bool | None = None
    transaction_timeout: Duration | None = None
    concurrency: Annotated[int, Field(ge=1)] = 1
    ordering: Literal["queue", "group", "none"] = "none"
    max_redeliveries: Annotated[int, Field(ge=0)] = 5
    redelivery_delay: Duration = 0.0
    redelivery_backoff: Annotated[float, Field(ge=1, le=100)] = 1.0
    redelivery_max_delay: Duration = 300.0
    healthy_within: Duration = 30.0
