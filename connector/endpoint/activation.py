"""The life of one activation: it may fail to begin, be tried again, and ends without hanging (CHAIN-6, FLOW-5)."""

from __future__ import annotations

import logging
import threading
from enum import Enum
from typing import final

from connector.endpoint.factory import HandlerEndpointFactory
from connector.errors import ConnectorError, DeploymentError, PluginError, Reason
from connector.spi import ActivationSpec, ResourceAdapter

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
    FAILED = "failed"  # the adapter refused; may be tried again
    ENDED = "ended"  # deactivated, for good


@final
class Activation:
    """One handler's subscription through one adapter.

    Args:
        adapter: Who delivers; has been started.
        factory: What it delivers to.
        spec: What it subscribes to.

    Safe to use from any thread; changes of state exclude each other, reading it never blocks.
    """

    # Mutable state, changed by whoever holds `_changing`: `_state`, `_failure`, `_attempts`. The lock is held while
    # the adapter is called: two of these calls at once are what it is there to prevent.

    def __init__(self, adapter: ResourceAdapter, factory: HandlerEndpointFactory, spec: ActivationSpec) -> None:
        self._adapter = adapter
        self._factory = factory
        self._spec = spec
        self._changing = threading.Lock()
        self._ending = threading.Lock()  # taken once and for all, by whoever ends it first
        self._ended = threading.Event()
        self._state = ActivationState.INACTIVE
        self._failure: ConnectorError | None = None
        self._attempts = 0

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
        return self._state

    @property
    def failure(self) -> ConnectorError | None:
        """Why the last attempt failed; None unless the state is FAILED."""
        return self._failure

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        return self._attempts

    def activate(self) -> ActivationState:
        """Have the adapter subscribe, and answer the state that came of it: ACTIVE or FAILED (CHAIN-6).

        Blocks as long as the adapter does. An active one stays as it is. Raises DeploymentError once it has ended;
        what the adapter raises is in `failure` and in the log.
        """
        with self._changing:
            if self._state is ActivationState.ENDED:
                raise DeploymentError(ENDED, activation=self.name)
            if self._state is not ActivationState.ACTIVE:
                self._attempt()
            return self._state

    def retry(self) -> ActivationState:
        """Try a failed activation again, now that something may have been put right; others stay as they are.

        Blocks and answers like `activate`; raises nothing.
        """
        with self._changing:
            if self._state is ActivationState.FAILED:
                self._attempt()
            return self._state

    def begin_end(self) -> threading.Event:
        """Tell the adapter that it ends, for good; answers an event that is set when the adapter has come to its end.

        Does not block and raises nothing. For whoever ends several at once, and then waits with `deactivate`.
        """
        if self._ending.acquire(blocking=False):
            # On a thread of its own, so that an adapter that hangs doesn't hang the container's stop.
            threading.Thread(target=self._end, name=f"deactivate-{self.name}", daemon=True).start()
        return self._ended

    def deactivate(self, timeout: float = 5.0) -> bool:
        """End it for good; answers whether the adapter came to an end within `timeout` seconds.

        Blocks at most that long, also where an attempt to activate still hangs; raises nothing: what the adapter
        raises is logged by type. Afterwards endpoints refuse to deliver, whatever the adapter still does.
        """
        in_time = self.begin_end().wait(timeout)
        if not in_time:
            _log.warning("the adapter of activation %s did not come to an end in %.1f seconds", self.name, timeout)
        self._factory.close()
        return in_time

    def _attempt(self) -> None:
        """Under `_changing`."""
        self._attempts += 1
        self._failure = self._try()
        self._state = ActivationState.ACTIVE if self._failure is None else ActivationState.FAILED

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

    def _end(self) -> None:
        with self._changing:
            was, self._state, self._failure = self._state, ActivationState.ENDED, None
            if was is ActivationState.ACTIVE:
                try:
                    self._adapter.deactivate_endpoint(self._factory, self._spec)
                except Exception as error:  # noqa: BLE001 - the end of it can't be refused
                    _log.warning("the end of activation %s: the adapter raised %s", self.name, type(error).__name__)
        self._ended.set()

    def __repr__(self) -> str:
        return f"<Activation {self.name} of {self.resource}, {self._state.value}>"
