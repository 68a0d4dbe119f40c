"""Who recovery signs on as: a refused credential is not tried again before it has changed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support_secrets import MARKER
from support_signon import BUILT_IN, Factory, target
from support_transactions import FakeResource

from connector.container.recovery import ResourceRecovery
from connector.errors import LoginRefused, Reason, SignOnError
from connector.security.audit import MemoryAuditLog
from connector.security.authdata import AuthDataService
from connector.signon.resolver import SignOnResolver
from connector.spi import AuthenticationData, ProgressListener, RecoverableBranches, Secret, Subject

REFUSED = Reason("CF-TEST-TX-004", "refused", "")


class Store:
    """One alias, with a version that a test raises."""

    read_only = True
    version = 1

    def load(self) -> Mapping[str, AuthenticationData]:
        return {"rescue": AuthenticationData("rescue", "rescuer", Secret(MARKER), version=self.version)}

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        raise NotImplementedError

    def remove(self, alias: str) -> bool:
        raise NotImplementedError

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        raise NotImplementedError


class Guarded(Factory):
    """Lets nobody in before its version is reached."""

    def __init__(self) -> None:
        self.logins: list[str] = []
        self.resource = FakeResource("jdbc/ledger")
        self.opens = False

    def recoverable_branches(self, subject: Subject | None) -> RecoverableBranches:
        credential = subject.password_credential(self) if subject is not None else None
        assert credential is not None
        self.logins.append(credential.user)
        if not self.opens:
            self.resource.on_call = self.refuse
        else:
            self.resource.on_call = lambda _call: None
        return self.resource

    def refuse(self, _call: str) -> None:
        raise LoginRefused(REFUSED)


def test_it_signs_on_by_the_alias_and_once_only_where_that_is_refused() -> None:
    factory, store = Guarded(), Store()
    auth_data = AuthDataService(store, MemoryAuditLog())
    resolver = SignOnResolver(auth_data, BUILT_IN, MemoryAuditLog())
    recovery = ResourceRecovery(target(factory, component_alias="rescue"), resolver)
    for _ in range(3):
        with pytest.raises(LoginRefused):
            recovery.in_doubt()
    assert factory.logins == ["rescuer"]
    factory.opens = True
    store.version = 2
    auth_data.refresh()
    assert list(recovery.in_doubt()) == []
    assert factory.logins == ["rescuer", "rescuer"]


def test_an_unknown_alias_is_told_and_nobody_else_steps_in() -> None:
    factory = Guarded()
    auth_data = AuthDataService(Store(), MemoryAuditLog())
    resolver = SignOnResolver(auth_data, BUILT_IN, MemoryAuditLog())
    recovery = ResourceRecovery(target(factory, component_alias="nobody"), resolver)
    with pytest.raises(SignOnError):
        recovery.in_doubt()
    assert factory.logins == []
