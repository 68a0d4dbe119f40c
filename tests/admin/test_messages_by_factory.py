"""Messages over a connection factory by command: for operators, whatever the operation is called."""

from __future__ import annotations

from typing import Any

import pytest
from support_shop_commands import Shop

from connector.admin.access import Access
from connector.admin.arguments import Arguments
from connector.admin.operations import Target, messages
from connector.admin.operations.request import Request
from connector.errors import AccessDenied, Reason

DENIED = Reason("CF-TEST-640", "no", "")


def test_a_factory_of_the_configuration_is_for_operators(shop: Shop) -> None:
    with shop.running("carol"):
        assert shop.refused("send", "--cf", "jms/shop", "orders", "x") == "CF-ADM-021"


def test_an_operation_on_a_bus_does_not_lend_out_a_factory_either(shop: Shop) -> None:
    def require(access: Access) -> None:
        assert access is Access.OPERATOR
        raise AccessDenied(DENIED)

    target: Any = Target.__new__(Target)
    arguments = Arguments({"reference": "jms/shop", "bus": "shop", "destination": "orders", "timeout": 1})
    for operation in (messages.send, messages.receive, messages.browse, messages.request):
        with pytest.raises(AccessDenied):
            operation(target, Request(arguments, require=require))


def test_what_sends_no_messages_is_told(shop: Shop) -> None:
    with shop.running():
        assert shop.refused("send", "--cf", "jdbc/orders", "orders", "x", exit_code=2) == "CF-ADM-140"
