"""POOL-6: test connection takes the way of a real borrow, on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support_secrets import MARKER, shows_marker
from support_signon import ALICE, AuthData, Factory, PlanPool, container_managed, resolver, target

from connector.errors import ConnectionFailed, ConnectorError, LoginRefused, Reason, SignOnError
from connector.outbound import test_connection as probe
from connector.outbound.manager import ReferenceConnectionManager
from connector.security.scope import open_scope
from connector.spi import (
    ConnectionDescription,
    ConnectionRequestInfo,
    Explanation,
    IdentityAssertion,
    ManagedConnection,
    Subject,
)

REFUSED = Reason("CF-TEST-401", "{user} was refused.", "")


class Physical(ManagedConnection):
    """Writes down what is asked of it; an operation that a test breaks raises."""

    def __init__(self, user: str, broken: dict[str, Exception], log: list[str]) -> None:
        self._user, self._broken, self._log = user, broken, log
        self._note("create")

    def _note(self, what: str) -> None:
        self._log.append(what)
        if what in self._broken:
            raise self._broken[what]

    def cleanup(self) -> None:
        self._note("cleanup")

    def destroy(self) -> None:
        self._note("destroy")

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        self._user = asserted.user
        self._note("switch")

    def describe(self) -> ConnectionDescription:
        self._note("describe")
        return ConnectionDescription("Ledger", "1.0", self._user)


class ConnectingFactory(Factory):
    """Connects for real, as far as the test can tell."""

    def __init__(self, **broken: Exception) -> None:
        self._broken = broken
        self.log: list[str] = []

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> ManagedConnection:
        assert subject is not None
        credential = subject.password_credential(self)
        assert credential is not None
        return Physical(credential.user, self._broken, self.log)


def _manager(factory: ConnectingFactory, pool: PlanPool | None = None, **reference: str) -> ReferenceConnectionManager:
    data = AuthData(ledger="door")
    named = container_managed(reference.get("login", "DefaultPrincipalMapping"), alias=reference.get("alias", "ledger"))
    return ReferenceConnectionManager(named, target(factory), resolver(data), pool or PlanPool(), data)


def test_it_tells_what_it_reached_and_as_whom_without_the_pool() -> None:
    factory, pool = ConnectingFactory(), PlanPool()

    result = probe.test_connection(_manager(factory, pool))

    assert (result.product, result.version, result.user) == ("Ledger", "1.0", "door")
    assert result.plan.user == "door"
    assert factory.log == ["create", "describe", "destroy"]
    assert not pool.taken
    assert not shows_marker(result)


def test_a_trusted_connection_is_tested_as_the_caller() -> None:
    factory = ConnectingFactory()

    with open_scope(ALICE, realm="weather", container="test", origin="test"):
        result = probe.test_connection(_manager(factory, login="TrustedConnectionMapping"))

    assert result.user == "alice"
    assert factory.log == ["create", "switch", "describe", "destroy"]


def test_a_refused_sign_on_connects_to_nothing() -> None:
    factory = ConnectingFactory()

    with pytest.raises(SignOnError) as refused:
        probe.test_connection(_manager(factory, alias="gone"))

    assert isinstance(refused.value.explanation, Explanation)
    assert factory.log == []


def _adapter_error() -> ConnectorError:
    return LoginRefused(REFUSED, user="door")


@pytest.mark.parametrize(
    ("where", "log"),
    [
        ("create", ["create"]),
        ("switch", ["create", "switch", "destroy"]),
        ("describe", ["create", "switch", "describe", "destroy"]),
    ],
)
@pytest.mark.parametrize(
    ("raised", "family", "code"),
    [
        (_adapter_error, LoginRefused, "CF-TEST-401"),
        (lambda: RuntimeError(f"password {MARKER}"), ConnectionFailed, "CF-OUT-010"),
    ],
    ids=["an error of the catalogue", "any other error"],
)
def test_a_failure_carries_the_explanation_and_leaves_no_connection(
    where: str, log: list[str], raised: Callable[[], Exception], family: type[ConnectorError], code: str
) -> None:
    factory = ConnectingFactory(**{where: raised()})
    manager = _manager(factory, login="TrustedConnectionMapping")

    with open_scope(ALICE, realm="weather", container="test", origin="test"), pytest.raises(family) as failed:
        probe.test_connection(manager)

    error = failed.value
    assert error.code == code
    assert error.explanation == manager.explain(caller=ALICE).in_short()
    assert error.__context__ is None
    assert factory.log == log
    assert not shows_marker(error)


def test_a_connection_that_cannot_be_closed_does_not_spoil_the_result() -> None:
    factory = ConnectingFactory(destroy=RuntimeError(MARKER))

    assert probe.test_connection(_manager(factory)).product == "Ledger"
