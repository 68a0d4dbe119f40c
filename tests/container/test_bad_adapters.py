"""FLOW-4, FLOW-5, FLOW-8: inbound adapters that do what none should; each is contained, named and counted.

Each does its worst in a real container, beside a database: what it was refused has written nothing and holds nothing.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support_container import ProfileFolder
from support_plugins import install, ra_toml

from connector import Container
from connector.errors import ConnectorError, DeliveryError, DeliveryPostponed, WorkCompletedWithError
from connector.spi import (
    CallbackHandler,
    CallerPrincipalCallback,
    Message,
    MessageEndpoint,
    MessageEndpointFactory,
    SecurityContext,
    Subject,
    WorkManager,
)

ADAPTER = """
    from connector.spi import ActivationHealth, ResourceAdapter

    class Adapter(ResourceAdapter):
        def start(self, context):
            self.works = context.work_manager

        def stop(self):
            pass

        def validate_activation(self, spec):
            pass

        def activate_endpoint(self, factory, spec):
            self.factory = factory

        def deactivate_endpoint(self, factory, spec):
            pass  # and goes on

        def activation_health(self, factory, spec):
            return ActivationHealth(subscribed=True)
"""
BUS = """adapter = "bus"
kind = "activation"
component_alias = "shop-service"
properties = { bus = "shop", destination = "orders" }"""


class Named(SecurityContext):
    def __init__(self, user: str) -> None:
        self._user = user

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        handler.handle([CallerPrincipalCallback(execution_subject, self._user)])


class Bad:
    """An adapter in the hands of a test, in a running container."""

    def __init__(self, container: Container, profile: ProfileFolder) -> None:
        self.container, self.profile = container, profile
        adapter: Any = container._parts.adapters["bad"]
        self.factory: MessageEndpointFactory = adapter.factory
        self.works: WorkManager = adapter.works

    def endpoint(self) -> MessageEndpoint:
        return self.factory.create_endpoint()

    def deliver(self, item: str, endpoint: MessageEndpoint | None = None) -> Any:
        return (endpoint or self.endpoint()).deliver(Message({"item": item}))

    def work(self, action: Callable[[], Any], user: str = "alice") -> Any:
        return self.works.do_work(action, contexts=[Named(user)])

    @property
    def refused(self) -> dict[str, int]:
        shown: dict[str, int] = self.container.status()["activations"][0]["deliveries"].get("refused", {})
        return shown

    def is_as_good_as_before(self, *rows: str) -> bool:
        """Whether the next message is handled, and nothing is there but what was; nobody holds a lock."""
        self.work(lambda: self.deliver("next"))
        assert self.container.transactions.to_list() == []
        return self.profile.rows() == [("alice", item) for item in (*rows, "next")]


@pytest.fixture
def bad(profile: ProfileFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bad]:
    site = tmp_path / "site"
    files = {"connector_bad_test/__init__.py": ADAPTER}
    files["connector_bad_test/ra.toml"] = ra_toml("bad", more='capabilities = ["inbound"]')
    install(site, "connector-bad", {"connector.adapters": {"bad": "connector_bad_test:Adapter"}}, files)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "connector_bad_test", raising=False)
    profile.edit(BUS, 'adapter = "bad"\nkind = "activation"')
    with profile.open() as container:
        yield Bad(container, profile)


def cause_of(call: Callable[[], Any]) -> str:
    """The code that a work has completed with."""
    with pytest.raises(WorkCompletedWithError) as caught:
        call()
    cause = caught.value.__cause__
    assert isinstance(cause, ConnectorError), caught.value
    return cause.code


def test_it_delivers_from_a_thread_of_its_own(bad: Bad) -> None:
    with pytest.raises(DeliveryError, match="CF-ENDP-013"):
        bad.deliver("tea")
    assert bad.refused == {"CF-ENDP-013": 1}
    assert bad.is_as_good_as_before()


def test_it_delivers_from_a_thread_that_a_work_has_started(bad: Bad) -> None:
    codes: list[str] = []

    def elsewhere() -> None:
        with pytest.raises(DeliveryError) as caught:
            bad.deliver("tea")
        codes.append(caught.value.code)

    def work() -> None:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    bad.work(work)
    assert codes == ["CF-ENDP-013"]
    assert bad.is_as_good_as_before()


def test_it_keeps_a_work_s_context_and_delivers_by_it_later(bad: Bad) -> None:
    kept = bad.work(contextvars.copy_context)
    with pytest.raises(ConnectorError, match="CF-SEC-001"):
        kept.run(bad.deliver, "tea")
    assert bad.is_as_good_as_before()


def test_it_delivers_twice_between_one_pair_of_brackets(bad: Bad) -> None:
    def twice() -> None:
        endpoint = bad.endpoint()
        endpoint.before_delivery()
        bad.deliver("tea", endpoint)
        try:
            bad.deliver("tea", endpoint)
        finally:
            endpoint.after_delivery()

    assert cause_of(lambda: bad.work(twice)) == "CF-ENDP-017"
    assert bad.refused == {"CF-ENDP-017": 1}
    assert bad.is_as_good_as_before("tea")


@pytest.mark.parametrize("messages", [0, 1])
def test_it_forgets_to_close_its_brackets(bad: Bad, messages: int) -> None:
    kept: list[MessageEndpoint] = []

    def forget() -> None:
        kept.append(bad.endpoint())
        kept[0].before_delivery()
        for _ in range(messages):
            bad.deliver("tea", kept[0])

    bad.work(forget)
    assert bad.refused == {"CF-ENDP-026": 1}
    assert bad.is_as_good_as_before()


def test_it_names_a_caller_whom_nobody_knows(bad: Bad) -> None:
    with pytest.raises(WorkCompletedWithError, match="CF-WORK-029"):
        bad.work(lambda: bad.deliver("tea"), "mallory")
    assert bad.is_as_good_as_before()


def test_it_names_nobody(bad: Bad) -> None:
    with pytest.raises(WorkCompletedWithError, match="CF-ENDP-010"):
        bad.works.do_work(lambda: bad.deliver("tea"))
    assert bad.container.status()["activations"][0]["deliveries"]["denied"] == 1
    assert bad.is_as_good_as_before()


def test_it_delivers_what_is_no_message(bad: Bad) -> None:
    nonsense: Any = {"item": "tea"}
    assert cause_of(lambda: bad.work(lambda: bad.endpoint().deliver(nonsense))) == "CF-ENDP-027"
    assert bad.is_as_good_as_before()


def test_it_delivers_during_a_pause(bad: Bad) -> None:
    activation = bad.container.activation("shop:jms/orders")
    endpoint = bad.endpoint()
    activation.pause()
    assert cause_of(lambda: bad.work(lambda: bad.deliver("tea", endpoint))) == "CF-ENDP-032"
    assert cause_of(lambda: bad.work(bad.endpoint)) == "CF-ENDP-032"
    assert activation.statistics().refused == {"CF-ENDP-032": 2}
    activation.resume()
    assert bad.is_as_good_as_before()


def test_it_delivers_after_the_end_of_its_activation(bad: Bad) -> None:
    endpoint, kept = bad.endpoint(), bad.work(contextvars.copy_context)
    bad.container.close()
    with pytest.raises(DeliveryPostponed, match="CF-ENDP-014"):
        bad.endpoint()
    with pytest.raises(DeliveryPostponed, match="CF-ENDP-014"):
        kept.run(bad.deliver, "tea", endpoint)
    assert bad.profile.rows() == []
