"""SIGN-4: what a module's class says of its options: what it depends on with them, and what changes outside."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import pytest
from support_security import NoCallbacks, ScriptedModule, entry

from connector.errors import Problem
from connector.security.login_chain import run_chain
from connector.security.login_configuration import LoginConfiguration
from connector.spi import IN_THE_OPTIONS, Dependency

EVERY_TIME = {Dependency.TIME}
CALLER, ALIAS, GROUPS = Dependency.CALLER, Dependency.ALIAS, Dependency.GROUPS


class Optioned(ScriptedModule):
    """Depends on groups, and on a file, only where its options say so."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({CALLER, ALIAS, GROUPS})
    outside: ClassVar[dict[str, int]] = {"file": 1}

    @classmethod
    def dependencies(cls, options: Mapping[str, Any]) -> frozenset[Dependency]:
        return frozenset(options["narrowed"])

    @classmethod
    def revision(cls, options: Mapping[str, Any]) -> Hashable:
        return cls.outside[options.get("file", "file")]

    @classmethod
    def mistakes(cls, options: Mapping[str, Any]) -> list[Problem]:
        return [Problem("CF-TEST-1", IN_THE_OPTIONS, None, name, "it", "that") for name in options if name == "odd"]


def chain(*options: Mapping[str, Any]) -> LoginConfiguration:
    return LoginConfiguration("c", tuple(entry("m", "required", Optioned, one) for one in options))


def made(**options: Any) -> LoginConfiguration:
    """The same where a function makes the module, as the container's does."""
    return LoginConfiguration("c", (entry("m", "required", lambda: Optioned(), options),))


@pytest.mark.parametrize("of", [lambda options: chain(options), lambda options: made(**options)])
@pytest.mark.parametrize("narrowed", [{CALLER}, {ALIAS}, {CALLER, ALIAS, GROUPS}])
def test_a_module_depends_on_what_its_options_leave(of: Any, narrowed: set[Dependency]) -> None:
    assert of({"narrowed": narrowed}).depends_on == narrowed


@pytest.mark.parametrize(
    "narrowed",
    [{Dependency.REQUEST}, {CALLER, Dependency.TIME}, set(), ["caller"], None],
    ids=["no dependency of modules", "one that is", "nothing", "a text", "None"],
)
def test_a_narrowing_that_is_none_makes_it_asked_every_time(narrowed: Any) -> None:
    assert chain({"narrowed": narrowed or ()}).depends_on == EVERY_TIME
    assert chain({}).depends_on == EVERY_TIME  # it raises


def test_a_chain_changes_with_what_any_of_its_modules_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Optioned.outside, "other", 1)
    both = chain({"narrowed": {CALLER}}, {"narrowed": {CALLER}, "file": "other"})

    before = both.revision()
    assert both.changes_outside
    assert both.revision() == before
    monkeypatch.setitem(Optioned.outside, "other", 2)
    assert both.revision() not in (before, None)


def test_a_revision_that_cannot_be_told_is_none() -> None:
    assert chain({"narrowed": {CALLER}, "file": "gone"}).revision() is None


def test_a_module_without_options_depends_on_nothing_outside() -> None:
    plain = LoginConfiguration("c", (entry("m", "required", ScriptedModule),))

    assert not plain.changes_outside
    assert plain.entries[0].mistakes() == ()


def test_mistakes_in_the_options_are_the_modules_to_tell() -> None:
    (one,) = chain({"odd": 1, "narrowed": {CALLER}}).entries

    assert [problem.key_path for problem in one.mistakes()] == ["odd"]


def test_what_a_module_has_under_these_names_and_cannot_be_called_is_its_own_business() -> None:
    own = {"dependencies": ["a library"], "revision": 7, "mistakes": None, "remarks": "many"}
    one = entry("m", "required", type("Own", (ScriptedModule,), own))

    assert one.depends_on == ScriptedModule.depends_on
    assert one.revision is None
    assert one.mistakes() == ()
    result = run_chain(LoginConfiguration("c", (one,)), NoCallbacks())
    assert [inner.what for inner in result.step.steps[0].steps] == ["gives UserPrincipal"]
