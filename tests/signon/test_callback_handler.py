"""SIGN-4: what a login module can ask for."""

from __future__ import annotations

import pytest
from support_signon import ALICE, AuthData, call, container_managed, target

from connector.signon.callback_handler import SignOnCallbackHandler
from connector.spi import (
    ALIAS_PROPERTY,
    AuthenticationDataCallback,
    CallerPrincipalCallback,
    CallerSubjectCallback,
    ConnectionRequestInfo,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    NameCallback,
    PasswordCallback,
    Secret,
    Subject,
    UnsupportedCallback,
)

RESOURCE = target()


def _handler(
    request: ConnectionRequestInfo | None = None, caller: Subject | None = ALICE, auth_data: AuthData | None = None
) -> SignOnCallbackHandler:
    reference = container_managed("Mapping", alias="ledger", region="north", alias_of="x")
    return SignOnCallbackHandler(reference, RESOURCE, request, caller, (auth_data or AuthData(ledger="u")).get)


def test_the_reference_its_target_and_the_caller_are_answered_in_one_call() -> None:
    properties, factory, caller = (
        MappingPropertiesCallback(),
        ManagedConnectionFactoryCallback(),
        CallerSubjectCallback(),
    )

    _handler().handle([properties, factory, caller])

    assert properties.properties == {"region": "north", "alias_of": "x", ALIAS_PROPERTY: "ledger"}
    assert factory.factory is RESOURCE.factory
    assert (factory.resource, factory.mechanisms) == ("jdbc/ledger", RESOURCE.mechanisms)
    assert caller.subject is ALICE


def test_mapping_properties_cannot_be_changed_by_a_module() -> None:
    properties = MappingPropertiesCallback()
    _handler().handle([properties])

    with pytest.raises(TypeError):
        properties.properties["region"] = "south"  # type: ignore[index]  # that is what is tested


@pytest.mark.parametrize(
    ("request_info", "caller", "name", "password"),
    [
        (None, ALICE, "alice", None),
        (None, None, None, None),
        (None, Subject(read_only=True), None, None),
        (call("carol", "c"), ALICE, "carol", "c"),
        (call(None, "c"), ALICE, "alice", None),  # a password without user never meets the caller's name
        (call("carol"), ALICE, "carol", None),
    ],
)
def test_name_and_password_come_from_one_source(
    request_info: ConnectionRequestInfo | None, caller: Subject | None, name: str | None, password: str | None
) -> None:
    ask_name, ask_password = NameCallback(), PasswordCallback()

    _handler(request_info, caller).handle([ask_name, ask_password])

    assert ask_name.name == name
    assert ask_password.password == (Secret(password) if password is not None else None)


def test_two_modules_of_one_chain_get_one_snapshot_of_an_alias() -> None:
    auth_data = AuthData(ledger="u")
    handler = _handler(auth_data=auth_data)
    first, second, unknown = (AuthenticationDataCallback(alias) for alias in ("ledger", "ledger", "gone"))

    handler.handle([first])
    auth_data.put("ledger", "other", version=9)
    handler.handle([second, unknown])

    assert first.data is second.data
    assert unknown.data is None
    assert handler.versions == {"ledger": 3}


def test_an_inbound_callback_is_not_supported() -> None:
    inbound = CallerPrincipalCallback(Subject(), "alice")

    with pytest.raises(UnsupportedCallback) as refused:
        _handler().handle([NameCallback(), inbound])

    assert refused.value.callback is inbound
