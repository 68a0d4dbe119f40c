"""SIGN-4, SIGN-7: what is missing is named, with what that means for the login by the module's flag."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support_secrets import MARKER
from support_signon import ALICE, calling, container_managed, own_user, resolver, target, user_of

from connector.errors import PluginError, Reason, SignOnError
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.spi import ControlFlag, Dependency, LoginModule

MISSING = Reason("CF-TEST-001", "there is no plugin {name!r}.", "Install it.")
GOOD = calling(own_user).entries[0].make


def stack(flag: str, make: Callable[[], LoginModule], *, before: bool = True) -> LoginConfiguration:
    """One module that can't be made, with that flag, and one optional module that answers."""
    entries = (ChainEntry("absent", make, ControlFlag(flag)), ChainEntry("good", GOOD, ControlFlag.OPTIONAL))
    return LoginConfiguration("Payroll", entries if before else entries[::-1])


def missing() -> LoginModule:
    raise PluginError(MISSING, name="absent")


def no_such_class() -> LoginModule:
    raise AttributeError(f"no class, and a secret {MARKER}")


@pytest.mark.parametrize(
    ("flag", "consequence"),
    [
        ("required", "it is required, so the login fails, once the others have been asked"),
        ("requisite", "it is requisite, so the login fails at once"),
    ],
)
def test_a_module_that_is_needed_and_missing_fails_the_login_and_says_why(flag: str, consequence: str) -> None:
    with pytest.raises(SignOnError) as refused:
        resolver(None, stack(flag, missing)).resolve(container_managed("Payroll"), target(), None, ALICE)

    text = refused.value.text
    for part in ("'jdbc/log'", "'Payroll'", "'absent'", "it can't be made: CF-TEST-001", consequence):
        assert part in text
    assert refused.value.action == "Install it."


@pytest.mark.parametrize("flag", ["sufficient", "optional"])
def test_a_module_that_can_be_done_without_is_told_in_the_explanation(flag: str) -> None:
    one, reference = resolver(None, stack(flag, missing)), container_managed("Payroll")

    plan = one.resolve(reference, target(), None, ALICE)

    assert user_of(plan) == "alice"
    assert f"it is {flag}, so the others are asked and one of them must succeed" in str(plan.explanation)


@pytest.mark.parametrize("before", [True, False])
def test_a_class_that_is_not_there_is_a_failure_of_its_module_wherever_it_stands(before: bool) -> None:
    with pytest.raises(SignOnError, match="AttributeError") as refused:
        resolver(None, stack("required", no_such_class, before=before)).resolve(
            container_managed("Payroll"), target(), None, ALICE
        )

    assert "'absent'" in refused.value.text
    assert MARKER not in str(refused.value)


def test_a_missing_configuration_is_named_with_those_that_are_there() -> None:
    with pytest.raises(SignOnError, match=r"no login configuration 'Payrol'.*Known: .*Payroll") as refused:
        resolver(None, stack("required", missing)).resolve(container_managed("Payrol"), target(), None, ALICE)

    assert refused.value.code == "CF-SIGN-010"


def test_a_chain_of_a_module_that_cannot_be_made_is_never_kept() -> None:
    """It may be installed or mended meanwhile."""
    one, reference = resolver(None, stack("optional", missing)), container_managed("Payroll")

    assert Dependency.TIME in one.plan_dependencies(reference)
