"""The life of one activation: it may fail, be paused, be tried again, and ends without hanging (CHAIN-6, FLOW-5).

Theory of operation
-------------------
    INACTIVE --activate--> ACTIVE or FAILED
    FAILED   --retry-----> ACTIVE or FAILED      by itself, after longer and longer pauses, and on request at once
    ACTIVE   --lost------> FAILED                the adapter says that its source has gone away
    any      --pause-----> PAUSED --resume--> ACTIVE or FAILED
    any      --deactivate> ENDED                 for good

A pause, and what was lost, is ended at the adapter like a deactivation, and begun again like an activation: an adapter
knows no third thing. From the instant of a pause endpoints refuse to deliver, whatever the adapter still does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from enum import Enum
from typing import final

from connector.endpoint.backoff import Backoff
from connector.endpoint.factory import HandlerEndpointFactory
from connector.endpoint.health import ActivationReport, Standing, report
from connector.errors import ConnectorError, DeploymentError, PluginError, Reason
from connector.spi import ActivationHealth, ActivationSpec, Clock, ResourceAdapter, SystemClock

_log = logging.getLogger("connector.endpoint")

ADAPTER_RAISED = Reason(
    "CF-ENDP-030",
    "the activation {activation} failed: the adapter of {resource!r} raised {kind}.",
    "Report it to the adapter's vendor; the activation can be tried again.",
)
ENDED = Reason(
    "CF-ENDP-031",
    "the activation {activation} has ended and can't begin again.",
    "Start the application again.",
)


class ActivationState(Enum):
    """Where an activation is."""

    INACTIVE = "inactive"  # not begun
    ACTIVE = "active"  # the subscription stands
    FAILED = "failed"  # the adapter refused, or has lost it; it is tried again
    PAUSED = "paused"  # by an operator, until it is resumed
    ENDED = "ended"  # deactivated, for good


def start_thread(name: str, action: Callable[[], object]) -> None:
    """Do something on a daemon thread of its own, so that an adapter that hangs in it hangs nobody else."""
    threading.Thread(target=action, name=name, daemon=True).start()


@final
class Activation:
    """One handler's subscription through one adapter.

    Args:
        adapter: Who delivers; has been started.
        factory: What it delivers to.
        spec: What it subscribes to.
        healthy_within: Seconds within which the source must have answered for it to count as healthy.
        clock: The time.
        backoff: When a failed one is tried again.
        spawn: Does something on another thread; gets a name for it.

    Safe to use from any thread; changes of state exclude each other, reading it never blocks.
    """

    # Mutable state, changed by whoever holds `_changing`: `_state`, `_failure`, `_attempts`, `_failures` (in a row),
    # `_due`. The lock is held while the adapter is called: two of these calls at once are what it is there to prevent.
    # `_paused` is the operator's wish, which counts at once; `_trying` says that a retry is on its way already.

    def __init__(
        self,
        adapter: ResourceAdapter,
        factory: HandlerEndpointFactory,
        spec: ActivationSpec,
        *,
        healthy_within: float = 30.0,
        clock: Clock | None = None,
        backoff: Backoff | None = None,
        spawn: Callable[[str, Callable[[], object]], None] = start_thread,
    ) -> None:
        self._adapter = adapter
        self._factory = factory
        self._spec = spec
        self._healthy_within = healthy_within
        self._clock = clock or SystemClock()
        self._backoff = backoff or Backoff()
        self._spawn = spawn
        self._changing = threading.Lock()
        self._ending = threading.Lock()  # taken once and for all, by whoever ends it first
        self._trying = threading.Lock()  # held by a retry that was spawned
        self._ended = threading.Event()
        self._state = ActivationState.INACTIVE
        self._paused = False
        self._failure: ConnectorError | None = None
        self._attempts = 0
        self._failures = 0
        self._due = 0.0
        factory.watch(self._lost)

    @property
    def name(self) -> str:
        """`application:activation`."""
        return f"{self._factory.application}:{self._factory.activation}"

    @property
    def resource(self) -> str:
        """The activation specification's global name."""
        return self._spec.resource

    @property
    def state(self) -> ActivationState:
        """Where it is."""
        if self._paused and self._state is not ActivationState.ENDED:
            return ActivationState.PAUSED
        return self._state

    @property
    def failure(self) -> ConnectorError | None:
        """Why the last attempt failed, or the subscription was lost; None unless the state is FAILED."""
        return self._failure if self.state is ActivationState.FAILED else None

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        return self._attempts

    def report(self) -> ActivationReport:
        """Where it is, and how healthy. Does not block longer than the adapter's own word takes; raises nothing."""
        state = self.state
        active = state is ActivationState.ACTIVE
        now = self._clock.monotonic()
        standing = Standing(
            state.value,
            "" if self.failure is None else str(self.failure),
            max(0.0, self._due - now) if state is ActivationState.FAILED else None,
            self._attempts,
        )
        return report(self.name, self.resource, standing, self._health() if active else None, self._healthy_within)

    # --- begin, and begin again -------------------------------------------------------------------------------------

    def activate(self) -> ActivationState:
        """Have the adapter subscribe, and answer the state that came of it: ACTIVE or FAILED (CHAIN-6).

        Blocks as long as the adapter does. An active or paused one stays as it is. Raises DeploymentError once it has
        ended; what the adapter raises is in `failure` and in the log.
        """
        with self._changing:
            if self._state is ActivationState.ENDED:
                raise DeploymentError(ENDED, activation=self.name)
            if self._state is not ActivationState.ACTIVE and not self._paused:
                self._attempt()
        return self.state

    def retry(self) -> ActivationState:
        """Try a failed activation again, now that something may have been put right; others stay as they are.

        Blocks and answers like `activate`; raises nothing.
        """
        with self._changing:
            if self._state is ActivationState.FAILED and not self._paused:
                self._attempt()
        return self.state

    def retry_if_due(self) -> bool:
        """Try a failed one again on another thread, if its pause is over; answers whether it is being tried.

        Does not block. One whose last attempt still hangs in the adapter is left alone.
        """
        if self.state is not ActivationState.FAILED or self._clock.monotonic() < self._due:
            return False
        if not self._trying.acquire(blocking=False):
            return False

        def attempt() -> None:
            try:
                self.retry()
            finally:
                self._trying.release()

        self._spawn(f"activate-{self.name}", attempt)
        return True

    # --- pause ------------------------------------------------------------------------------------------------------

    def pause(self, timeout: float = 5.0) -> bool:
        """Deliver nothing until `resume`; answers whether the adapter has ended its subscription within `timeout`.

        From now on endpoints refuse; deliveries under way end undisturbed. Blocks at most that many seconds. Harmless
        where it is paused already. Raises DeploymentError once it has ended.
        """
        if self._state is ActivationState.ENDED:
            raise DeploymentError(ENDED, activation=self.name)
        self._factory.pause()
        self._paused = True
        done = threading.Event()

        def end_subscription() -> None:
            with self._changing:
                if self._paused and self._state is ActivationState.ACTIVE:
                    self._state = ActivationState.INACTIVE
                    self._end_at_the_adapter()
            done.set()

        self._spawn(f"pause-{self.name}", end_subscription)
        return done.wait(timeout)

    def resume(self) -> ActivationState:
        """Deliver again; answers the state that came of it, like `activate`, and blocks and raises like it.

        One that is not paused stays as it is.
        """
        with self._changing:
            if self._state is ActivationState.ENDED:
                raise DeploymentError(ENDED, activation=self.name)
            if self._paused:
                self._paused = False
                self._factory.resume()
                if self._state is not ActivationState.ACTIVE:
                    self._attempt()
        return self.state

    # --- end --------------------------------------------------------------------------------------------------------

    def begin_end(self) -> threading.Event:
        """Tell the adapter that it ends, for good; answers an event that is set when the adapter has come to its end.

        Does not block and raises nothing. For whoever ends several at once, and then waits with `deactivate`.
        """
        if self._ending.acquire(blocking=False):
            # On a thread of its own, so that an adapter that hangs doesn't hang the container's stop.
            start_thread(f"deactivate-{self.name}", self._end)
        return self._ended

    def deactivate(self, timeout: float = 5.0) -> bool:
        """End it for good; answers whether the adapter came to an end within `timeout` seconds.

        Blocks at most that long, also where an attempt to activate still hangs; raises nothing: what the adapter
        raises is logged by type. Afterwards endpoints refuse to deliver, whatever the adapter still does.
        """
        in_time = self.begin_end().wait(timeout)
        if not in_time:
            active = self._factory.statistics().active
            _log.warning(
                "the adapter of activation %s did not come to an end in %.1f seconds; %d handler(s) still run",
                self.name,
                timeout,
                active,
            )
        self._factory.close()
        return in_time

    # --- how --------------------------------------------------------------------------------------------------------

    def _attempt(self) -> None:
        """Under `_changing`."""
        self._attempts += 1
        failure = self._try()
        if failure is None:
            self._state, self._failure, self._failures = ActivationState.ACTIVE, None, 0
        else:
            self._failed(failure)

    def _failed(self, failure: ConnectorError) -> None:
        """Under `_changing`."""
        self._state, self._failure = ActivationState.FAILED, failure
        self._failures += 1
        self._due = self._clock.monotonic() + self._backoff.pause(self._failures)

    def _try(self) -> ConnectorError | None:
        try:
            self._adapter.activate_endpoint(self._factory, self._spec)
        except ConnectorError as error:
            failure: ConnectorError = error
        except Exception as error:  # noqa: BLE001 - an adapter's defect concerns its activation only
            failure = PluginError(
                ADAPTER_RAISED, activation=self.name, resource=self.resource, kind=type(error).__name__
            )
            failure.__cause__ = error
        else:
            return None
        _log.warning("the activation %s failed: %s", self.name, failure)
        return failure

    def _lost(self, error: ConnectorError) -> None:
        """The adapter's word, from whichever thread, and with whichever of its locks held."""

        def take_note() -> None:
            with self._changing:
                if self._state is ActivationState.ACTIVE:
                    _log.warning("the activation %s was lost: %s", self.name, error)
                    self._failed(error)
                    self._end_at_the_adapter()

        self._spawn(f"lost-{self.name}", take_note)

    def _end(self) -> None:
        with self._changing:
            was, self._state, self._failure = self._state, ActivationState.ENDED, None
            if was is ActivationState.ACTIVE:
                self._end_at_the_adapter()
        self._ended.set()

    def _end_at_the_adapter(self) -> None:
        """Under `_changing`."""
        try:
            self._adapter.deactivate_endpoint(self._factory, self._spec)
        except Exception as error:  # noqa: BLE001 - the end of it can't be refused
            _log.warning("the end of activation %s: the adapter raised %s", self.name, type(error).__name__)

    def _health(self) -> ActivationHealth | str:
        """The adapter's word, or what it raised in its place."""
        try:
            return self._adapter.activation_health(self._factory, self._spec)
        except Exception as error:  # noqa: BLE001 - an adapter's defect is told, and spoils no status
            return error.code if isinstance(error, ConnectorError) else type(error).__name__

    def __repr__(self) -> str:
        return f"<Activation {self.name} of {self.resource}, {self.state.value}>"
