"""asyncio in a running container: handlers and applications, each as its caller, on connections of their own loop."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from support_container import ProfileFolder, request

from connector.errors import RequestFailed

ASYNC_HANDLERS = """
import asyncio
from sqlalchemy import text
from connector import message_driven

@message_driven(activation="jms/orders", roles_allowed={"buyer"})
async def take_order(message, context):
    async with context.lookup("jdbc/orders").get_async_connection() as connection:
        await connection.execute(
            text("INSERT INTO orders (caller, item) VALUES (:caller, :item)"),
            {"caller": context.caller_principal.name, "item": message.body["item"]},
        )
        await connection.commit()
    return {"taken": message.body["item"]}
"""


def test_an_async_handler_writes_through_a_connection_of_the_containers_loop(profile: ProfileFolder) -> None:
    profile.handlers(ASYNC_HANDLERS)
    with profile.open() as container:
        for user, item in (("alice", "tea"), ("bob", "milk")):
            assert request(container, user, {"item": item}, profile.password) == {"taken": item}
        resource = container.status()["resources"]["jdbc/orders"]
        assert [pool["created"] for pool in resource["async_pools"]] == [1]
        assert resource["pool"]["created"] == 0
    assert profile.rows() == [("alice", "tea"), ("bob", "milk")]


def test_a_transacted_handler_is_refused_connections_that_could_not_be_in_its_unit(profile: ProfileFolder) -> None:
    profile.handlers(ASYNC_HANDLERS.replace('{"buyer"})', '{"buyer"}, transacted=True)'))
    with profile.open() as container, pytest.raises(RequestFailed, match="CF-OUT-021"):
        request(container, "alice", {"item": "tea"}, profile.password)
    assert profile.rows() == []


def test_an_application_uses_its_own_loop_as_its_caller(profile: ProfileFolder) -> None:
    async def main() -> None:
        ledger = container.application("shop").lookup("jdbc/orders")
        async with container.login_async("alice", profile.password):
            async with ledger.get_async_connection() as connection:
                await connection.execute(text("INSERT INTO orders VALUES ('application', 'tea')"))
                await connection.commit()
        container.close()  # on the loop itself: its connections are closed as it goes on

    container = profile.open()
    asyncio.run(main())
    container.close()
    assert profile.rows() == [("application", "tea")]


def test_connections_signed_on_with_superseded_data_are_retired_on_every_loop(profile: ProfileFolder) -> None:
    profile.edit('[applications]', '[resources."jdbc/aliased"]\nadapter = "sql"\ncomponent_alias = "shop-service"\n'
                 f'properties = {{ url = "sqlite:///{profile.folder}/orders.db" }}\n\n[applications]')  # fmt: skip

    async def main() -> list[int]:
        seen = []
        for _ in range(2):
            async with container.lookup("jdbc/aliased").get_async_connection() as connection:
                await connection.execute(text("SELECT 1"))
            (pool,) = container.status()["resources"]["jdbc/aliased"]["async_pools"]
            seen.append(pool["created"])
            profile.vault.put("shop-service", "shop-service", profile.password)
            await asyncio.to_thread(container.update_auth_data)
        return seen

    with profile.open() as container:
        assert asyncio.run(main()) == [1, 2]
