"""`pool = {…}` of a connection factory (POOL-2), and the pool's settings made of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.problems import ProblemCollector
from connector.container.configuration.quantities import DURATION_ALLOWED, duration
from connector.container.configuration.sections import Duration, Section
from connector.errors import Reason
from connector.pool.settings import LeakTrace, PoolSettings, PurgePolicy, RetirePolicy, Validation
from connector.spi import Capability

SIZES_WRONG = Reason(
    "CF-CONF-060", "min_size {min_size} with max_size {max_size}", "Make min_size smaller, or max_size larger."
)
CANNOT_VALIDATE = Reason(
    "CF-CONF-061",
    "validation for the adapter {adapter!r}, which can't tell whether a connection is still good",
    "Remove it: broken connections are noticed when they are used.",
)

_MODES = ("on-checkout", "on-return", "background")
_DEFAULTS = PoolSettings()


def _limit(value: object) -> float | None:
    """Seconds, more than 0; None for "off"."""
    if value == "off" or value is None:
        return None
    seconds = duration(value)
    if seconds <= 0:
        raise ValueError(f'"off", or {DURATION_ALLOWED}, and not 0')
    return seconds


def _pause(value: object) -> float:
    seconds = _limit(value)
    if seconds is None:
        raise ValueError(f"{DURATION_ALLOWED}, and not 0")
    return seconds


def _modes(value: object) -> object:
    named = (value,) if isinstance(value, str) else value
    if named == ("off",):
        return ()
    if not isinstance(named, list | tuple) or any(mode not in _MODES for mode in named):
        raise ValueError('"off", "on-checkout", "on-return", "background", or a list of these')
    return tuple(named)


Limit = Annotated[float | None, BeforeValidator(_limit)]
Pause = Annotated[float, BeforeValidator(_pause)]
Modes = Annotated[tuple[str, ...], BeforeValidator(_modes)]


class PoolSection(Section):
    """`pool = {…}` of a connection factory. [Pools](pools.md) says what each key means; a limit may be `"off"`."""

    max_size: Annotated[int, Field(ge=1)] = _DEFAULTS.max_size
    min_size: Annotated[int, Field(ge=0)] = _DEFAULTS.min_size
    per_identity: Annotated[int, Field(ge=1)] | None = _DEFAULTS.per_identity
    connection_timeout: Duration = _DEFAULTS.connection_timeout
    aged_timeout: Limit = _DEFAULTS.aged_timeout
    unused_timeout: Limit = _DEFAULTS.unused_timeout
    reap_time: Pause = _DEFAULTS.reap_time
    validation: Modes = ()
    validation_bypass: Duration = _DEFAULTS.validation_bypass
    background_validation: Pause = _DEFAULTS.background_validation
    purge_policy: Literal["failing-connection", "entire-pool", "validate-all"] = "failing-connection"
    retire_policy: Literal["retire-on-return", "new-only", "purge-now"] = "retire-on-return"
    login_backoff: Duration = _DEFAULTS.login_backoff
    login_backoff_max: Duration = _DEFAULTS.login_backoff_max
    leak_timeout: Limit = _DEFAULTS.leak_timeout
    leak_trace: Literal["off", "sampled", "always"] = "sampled"
    auto_close: bool = _DEFAULTS.auto_close


def check_pool(
    section: PoolSection, adapter: str, capabilities: frozenset[Capability], path: KeyPath, problems: ProblemCollector
) -> None:
    """Note what is wrong with a pool's settings together, or with its adapter."""
    if section.min_size > section.max_size:
        problems.add(
            SIZES_WRONG,
            (*path, "min_size"),
            allowed=f"at most max_size, {section.max_size}",
            min_size=section.min_size,
            max_size=section.max_size,
        )
    if section.validation and Capability.VALIDATION not in capabilities:
        problems.add(CANNOT_VALIDATE, (*path, "validation"), allowed='"off"', adapter=adapter)


def pool_settings(section: PoolSection) -> PoolSettings:
    """The pool's settings; the section has been checked."""
    values: dict[str, Any] = section.model_dump()
    return PoolSettings(
        **values
        | {
            "validation": frozenset(Validation(mode) for mode in section.validation),
            "purge_policy": PurgePolicy(section.purge_policy),
            "retire_policy": RetirePolicy(section.retire_policy),
            "leak_trace": LeakTrace(section.leak_trace),
        }
    )
