"""SIGN-4: options are shared by all references of a login configuration, mapping properties belong to one."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from support_secrets import MARKER
from support_signon import ALICE, AuthData, chain, container_managed, resolver, target, user_of

from connector.spi import (
    CallbackHandler,
    Dependency,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    PasswordCredential,
    Secret,
    Subject,
)


class Directory:
    """Stands for a module that asks one external service, by its options, for the users of several systems."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.CALLER})
    seen: ClassVar[list[tuple[Mapping[str, Any], Mapping[str, str]]]] = []

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        self.subject, self.handler, self.options = subject, callback_handler, options

    def login(self) -> bool:
        properties, self.asked = MappingPropertiesCallback(), ManagedConnectionFactoryCallback()
        self.handler.handle([properties, self.asked])
        self.seen.append((dict(self.options), dict(properties.properties)))
        self.user = f"alice_in_{properties.properties.get('target', 'nothing')}"
        return True

    def commit(self) -> bool:
        self.subject.add_credential(PasswordCredential(self.user, Secret(MARKER), self.asked.factory))
        return True

    def abort(self) -> bool:
        return True

    def logout(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Directory, "seen", [])


def test_two_references_share_the_options_and_have_properties_of_their_own() -> None:
    one = resolver(None, chain("Gso", Directory, host="directory.example"))
    database, queue = (container_managed("Gso", name=f"r/{name}", target=name) for name in ("db", "mq"))

    users = [user_of(one.resolve(reference, target(), None, ALICE)) for reference in (database, queue, database)]

    assert users == ["alice_in_db", "alice_in_mq", "alice_in_db"]
    shared = {"host": "directory.example"}
    assert Directory.seen == [(shared, {"target": "db"}), (shared, {"target": "mq"}), (shared, {"target": "db"})]


def test_the_alias_of_the_reference_is_one_of_them_whatever_the_configuration() -> None:
    one = resolver(None, chain("Gso", Directory))

    one.resolve(container_managed("Gso", alias="ledger", target="db"), target(), None, ALICE)

    assert Directory.seen == [({}, {"target": "db", "alias": "ledger"})]


def test_a_mapping_property_alias_is_the_alias_unless_the_reference_has_one_itself() -> None:
    one = resolver(AuthData(ledger="ledger_user", other="other_user"))
    for alias, user in ((None, "other_user"), ("ledger", "ledger_user")):
        reference = replace(container_managed(alias=alias), mapping_properties={"alias": "other"})
        assert user_of(one.resolve(reference, target(), None, ALICE)) == user


def test_a_module_need_not_ask_for_anything() -> None:
    resource = target()

    class Settled(Directory):
        def login(self) -> bool:
            self.user, self.asked = "settled", ManagedConnectionFactoryCallback()
            self.asked.factory = resource.factory
            return True

    plan = resolver(None, chain("Gso", Settled)).resolve(container_managed("Gso"), resource, None, ALICE)

    assert user_of(plan) == "settled"


def test_an_option_cannot_be_changed_for_others() -> None:
    class Changing(Directory):
        def login(self) -> bool:
            with pytest.raises(TypeError):
                self.options["host"] = "evil.example"  # type: ignore[index]  # that is what is tested
            return super().login()

    configuration = chain("Gso", Changing, host="directory.example")
    resolver(None, configuration).resolve(container_managed("Gso"), target(), None, ALICE)

    assert Directory.seen[0][0] == {"host": "directory.example"}
    assert configuration.entries[0].options == {"host": "directory.example"}
