"""SIGN-8: an explanation shows what each module of a chain answered and gave, in names and never a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

import pytest
from support_secrets import MARKER
from support_signon import ALICE, AuthData, Factory, container_managed, resolver, target

from connector.errors import SignOnError
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.signon.reference import OnNoCredential, ResourceReference
from connector.spi import (
    CallbackHandler,
    ControlFlag,
    Dependency,
    Explanation,
    IdentityAssertion,
    LoginFailed,
    LoginModule,
    ManagedConnectionFactoryCallback,
    PasswordCredential,
    Secret,
    Step,
    Subject,
    UserPrincipal,
)

RESOURCE = target()
REFERENCE = container_managed("Payroll", on_no_credential=OnNoCredential.ANONYMOUS)


class Giver:
    """A module that shares, remarks and gives what a test says."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.CALLER})
    shares: Mapping[str, Any] = {}
    gives: tuple[Any, ...] = ()
    answer: bool | LoginFailed = True
    says: Any = ()

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self.subject, self.handler, self.shared_state = subject, callback_handler, shared_state

    def login(self) -> bool:
        self.shared_state.update(self.shares)
        if isinstance(self.answer, LoginFailed):
            raise self.answer
        return self.answer

    def commit(self) -> bool:
        for given in self.gives if self.answer is True else ():
            if isinstance(given, UserPrincipal):
                self.subject.add_principal(given)
            else:
                self.subject.add_credential(given)
        return self.answer is True

    def abort(self) -> bool:
        return True

    def logout(self) -> bool:
        return True

    def remarks(self) -> Sequence[str]:
        if isinstance(self.says, Exception):
            raise self.says
        return list(self.says)


def giver(**what: Any) -> type[LoginModule]:
    return type("OneGiver", (Giver,), what)


def explained(*stack: tuple[str, ControlFlag, type[LoginModule]]) -> Explanation:
    entries = tuple(ChainEntry(name, make, flag) for name, flag, make in stack)
    return resolver(None, LoginConfiguration("Payroll", entries)).explain(REFERENCE, RESOURCE, None, ALICE)


def modules(explanation: Explanation) -> tuple[Step, ...]:
    return next(step for step in explanation.steps if step.what.startswith("login configuration")).steps


def test_each_module_is_shown_with_flag_and_result_also_one_that_was_not_called() -> None:
    shown = modules(
        explained(
            ("ignorer", ControlFlag.REQUIRED, giver(answer=False)),
            ("failer", ControlFlag.OPTIONAL, giver(answer=LoginFailed("not today"))),
            ("giver", ControlFlag.SUFFICIENT, giver()),
            ("last", ControlFlag.REQUISITE, giver()),
        )
    )

    assert [dict(step.facts) for step in shown] == [
        {"module": "ignorer", "flag": "required", "login": "ignored", "commit": "ignored"},
        {"module": "failer", "flag": "optional", "login": "failed", "commit": "ignored"},
        {"module": "giver", "flag": "sufficient", "login": "succeeded", "commit": "succeeded"},
        {"module": "last", "flag": "requisite", "login": "not called", "commit": "not called"},
    ]
    assert [step.why for step in shown] == [
        "login ignored, commit ignored",
        "login failed: not today, commit ignored",
        "login succeeded, commit succeeded",
        "not called",
    ]


def test_what_a_module_gives_is_named_with_the_resource_that_it_is_for() -> None:
    given = (
        PasswordCredential("ours", Secret(MARKER), RESOURCE.factory, "ledger", 4),
        PasswordCredential("theirs", Secret(MARKER), Factory()),
        PasswordCredential("nobodys", Secret(MARKER)),
        IdentityAssertion("alice", "weather", factory=RESOURCE.factory),
        UserPrincipal("alice_db", "eis"),
        f"a text with {MARKER}",
    )

    (step,) = modules(explained(("one", ControlFlag.REQUIRED, giver(gives=given))))

    assert [(inner.what, inner.why) for inner in step.steps] == [
        ("gives UserPrincipal", "alice_db@eis"),
        ("gives PasswordCredential", "user 'ours' of alias 'ledger', version 4, for resource 'jdbc/ledger'"),
        ("gives PasswordCredential", "user 'theirs', for another resource"),
        ("gives PasswordCredential", "user 'nobodys', for no resource in particular"),
        ("gives IdentityAssertion", "to act as 'alice' of realm 'weather', for resource 'jdbc/ledger'"),
        ("gives str", "it is no credential"),
    ]


def test_a_module_gives_only_what_it_has_added_itself() -> None:
    first, second = (PasswordCredential(user, Secret(MARKER), RESOURCE.factory) for user in ("first", "second"))

    shown = modules(
        explained(
            ("one", ControlFlag.REQUIRED, giver(gives=(first,))), ("two", ControlFlag.REQUIRED, giver(gives=(second,)))
        )
    )

    assert [[inner.why.split(",")[0] for inner in step.steps] for step in shown] == [
        ["user 'first'"],
        ["user 'second'"],
    ]


def test_of_the_shared_state_the_names_are_shown_and_never_the_values() -> None:
    explanation = explained(
        ("one", ControlFlag.REQUIRED, giver(shares={"user": "alice_db", "password": MARKER})),
        ("two", ControlFlag.REQUIRED, giver(shares={"user": "replaced", "tier": 1})),
    )

    assert [[inner.why for inner in step.steps] for step in modules(explanation)] == [
        ["sets 'user', 'password'"],
        ["sets 'user', 'tier'"],
    ]
    assert MARKER not in f"{explanation} {json.dumps(explanation.to_dict())}"


def test_a_module_says_itself_who_was_mapped_to_what() -> None:
    explanation = explained(("one", ControlFlag.REQUIRED, giver(says=["alice@weather → alias 'a'", 7])))

    assert [(inner.what, inner.why) for inner in modules(explanation)[0].steps] == [
        ("mapping", "alice@weather → alias 'a'")
    ]


def test_a_module_that_cannot_say_it_is_no_worse_for_it() -> None:
    (step,) = modules(explained(("one", ControlFlag.REQUIRED, giver(says=RuntimeError(MARKER)))))

    assert dict(step.facts)["login"] == "succeeded"
    assert [inner.why for inner in step.steps] == ["its remarks can't be told"]


def test_programs_get_the_facts_beside_the_words() -> None:
    plain = json.loads(json.dumps(explained(("one", ControlFlag.REQUIRED, giver())).to_dict()))

    module = plain["steps"][0]["steps"][0]
    assert module["facts"] == {"module": "one", "flag": "required", "login": "succeeded", "commit": "succeeded"}


def test_a_refusal_says_what_each_module_had_found() -> None:
    chain = LoginConfiguration(
        "Payroll",
        (
            ChainEntry("one", giver(says=["alice → alias 'gone'"], shares={"tier": 1}), ControlFlag.OPTIONAL),
            ChainEntry("two", giver(answer=LoginFailed("it is late")), ControlFlag.REQUIRED),
        ),
    )

    with pytest.raises(SignOnError, match="it is late") as refused:
        resolver(None, chain).resolve(REFERENCE, RESOURCE, None, ALICE)

    assert isinstance(refused.value.explanation, Explanation)
    first, _ = modules(refused.value.explanation)
    assert [inner.why for inner in first.steps] == ["alice → alias 'gone'", "sets 'tier'"]


def test_the_target_is_asked_by_callback_all_the_same() -> None:
    """What is shown comes from the credential itself, not from what the module asked for."""

    class Asker(Giver):
        def commit(self) -> bool:
            asked = ManagedConnectionFactoryCallback()
            self.handler.handle([asked])
            self.subject.add_credential(PasswordCredential("u", Secret(MARKER), asked.factory))
            return True

    (step,) = modules(explained(("one", ControlFlag.REQUIRED, Asker)))

    assert step.steps[0].why == "user 'u', for resource 'jdbc/ledger'"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (container_managed(alias="ledger"), "anybody → alias 'ledger'"),
        (container_managed(), "the reference has no alias"),
        (
            container_managed("TrustedConnectionMapping", alias="ledger", propagate_groups="true"),
            "alias 'ledger' opens, to act as alice@weather, with the groups clerks",
        ),
        (
            container_managed("TrustedConnectionMapping", alias="ledger", use_caller_identity="false",
                              unauthenticated_user="guest"),
            "alias 'ledger' opens, to act as guest, whoever calls",
        ),
    ],
)  # fmt: skip
def test_the_built_in_mappings_say_who_was_mapped_to_what(reference: ResourceReference, said: str) -> None:
    explanation = resolver(AuthData(ledger="door")).explain(reference, RESOURCE, None, ALICE)

    (module,) = modules(explanation)
    assert [inner.why for inner in module.steps if inner.what == "mapping"] == [said]
