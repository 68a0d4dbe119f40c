"""SIGN-3: the default principal mapping is a look-up and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support_secrets import MARKER, shows_marker
from support_signon import ALICE, BUILT_IN, AuthData, container_managed, target

from connector.security.login_chain import ChainFailed, run_chain
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.spi import (
    AuthenticationDataCallback,
    Callback,
    Dependency,
    LoginModule,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCredential,
    Secret,
    Subject,
)
from connector_default import DefaultPrincipalMappingModule

RESOURCE = target()
CHAIN = BUILT_IN["DefaultPrincipalMapping"]


def _handler(alias: str | None, caller: Subject | None = ALICE) -> SignOnCallbackHandler:
    return SignOnCallbackHandler(container_managed(alias=alias), RESOURCE, None, caller, AuthData(ledger="door").get)


def test_it_is_a_login_module_that_depends_on_the_alias_alone() -> None:
    assert isinstance(DefaultPrincipalMappingModule(), LoginModule)
    assert CHAIN.depends_on == {Dependency.ALIAS}


def test_the_alias_becomes_one_credential_for_the_target_factory() -> None:
    subject = run_chain(CHAIN, _handler("ledger")).subject

    assert subject.credentials == (PasswordCredential("door", Secret(MARKER), RESOURCE.factory, "ledger", 3),)
    assert subject.principals == ()
    assert not shows_marker(subject.credentials[0])


def test_it_never_asks_who_the_caller_is() -> None:
    class Watched:
        def __init__(self) -> None:
            self.asked: set[type[Callback]] = set()

        def handle(self, callbacks: Sequence[Callback]) -> None:
            self.asked |= {type(callback) for callback in callbacks}
            _handler("ledger").handle(callbacks)

    watched = Watched()
    run_chain(CHAIN, watched)

    assert watched.asked == {MappingPropertiesCallback, ManagedConnectionFactoryCallback, AuthenticationDataCallback}


@pytest.mark.parametrize("alias", [None, ""])
def test_without_an_alias_it_has_nothing_to_say(alias: str | None) -> None:
    with pytest.raises(ChainFailed) as failed:
        run_chain(CHAIN, _handler(alias))

    assert failed.value.module is None


def test_an_unknown_alias_is_its_failure_and_names_the_alias() -> None:
    with pytest.raises(ChainFailed, match="'ledgre'") as failed:
        run_chain(CHAIN, _handler("ledgre"))

    assert failed.value.module == "default"


def test_nothing_is_in_the_subject_before_commit_nor_after_abort() -> None:
    module, subject = DefaultPrincipalMappingModule(), Subject()
    module.initialize(subject, _handler("ledger"), {}, {})

    assert module.login()
    assert subject.is_empty
    assert module.commit()
    assert len(subject.credentials) == 1
    assert module.abort()
    assert subject.is_empty
    assert not module.commit()


def test_logging_out_twice_or_of_a_read_only_subject_does_no_harm() -> None:
    module, subject = DefaultPrincipalMappingModule(), Subject()
    module.initialize(subject, _handler("ledger"), {}, {})
    module.login()
    module.commit()
    subject.set_read_only()

    assert module.logout()
    assert not module.logout()
