"""SIGN-8: what would become of a login if a module answered otherwise."""

from __future__ import annotations

import pytest
from support_secrets import MARKER
from support_signon import ALICE, application, calling, container_managed, own_user, resolver, target

from connector.errors import ConfigError
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.security.login_outcome import ModuleResult
from connector.spi import ControlFlag, LoginModule, PasswordCredential, Secret, Subject

ASKED: list[Subject | None] = []
OWN = calling(own_user, asked=ASKED).entries[0].make
GUEST = calling(lambda module: [PasswordCredential("guest", Secret(MARKER), module.factory)]).entries[0].make


def never() -> LoginModule:
    raise AssertionError("made")


STACK = LoginConfiguration(
    "Payroll",
    (
        ChainEntry("own", OWN, ControlFlag.SUFFICIENT),
        ChainEntry("guest", GUEST, ControlFlag.REQUIRED),
    ),
)


def _answer(**suppose: ModuleResult) -> str:
    one = resolver(None, STACK)
    return one.explain(container_managed("Payroll"), target(), None, ALICE, suppose=suppose).answer


@pytest.mark.parametrize(
    ("suppose", "answer"),
    [
        ({}, "signed on as user 'alice'"),
        ({"own": ModuleResult.FAILURE}, "signed on as user 'guest'"),
        ({"own": ModuleResult.IGNORED}, "signed on as user 'guest'"),
        ({"own": ModuleResult.SUCCESS}, "CF-SIGN-012"),  # it passes at once, and nobody knows with which credential
        ({"own": ModuleResult.FAILURE, "guest": ModuleResult.FAILURE}, "module 'guest'"),
        ({"guest": ModuleResult.FAILURE}, "signed on as user 'alice'"),  # it is not reached
    ],
)
def test_the_rest_of_the_chain_is_asked_as_ever(suppose: dict[str, ModuleResult], answer: str) -> None:
    assert answer in _answer(**suppose)


def test_a_module_that_is_supposed_to_answer_is_neither_made_nor_asked() -> None:
    broken = LoginConfiguration("Payroll", (ChainEntry("absent", never, ControlFlag.REQUIRED), *STACK.entries))

    explained = resolver(None, broken).explain(
        container_managed("Payroll"), target(), None, ALICE, suppose={"absent": ModuleResult.SUCCESS}
    )

    assert "signed on as user 'alice'" in explained.answer
    assert "supposed: succeeded; the module itself was not asked" in str(explained)


def test_nothing_is_supposed_of_a_module_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match=r"'onw'.*'Payroll'.*guest, own") as refused:
        _answer(onw=ModuleResult.FAILURE)

    assert refused.value.code == "CF-SIGN-030"
    with pytest.raises(ConfigError, match="application-managed"):
        resolver().explain(application(), target(), None, ALICE, suppose={"own": ModuleResult.FAILURE})


def test_a_missing_configuration_is_still_what_is_wrong() -> None:
    explained = resolver().explain(
        container_managed("Nowhere"), target(), None, ALICE, suppose={"own": ModuleResult.FAILURE}
    )

    assert "CF-SIGN-010" in explained.answer


def test_no_plan_is_made_by_what_was_supposed() -> None:
    one, reference = resolver(None, STACK), container_managed("Payroll")

    one.explain(reference, target(), None, ALICE, suppose={"own": ModuleResult.FAILURE})

    assert one.resolve(reference, target(), None, ALICE).user == "alice"
