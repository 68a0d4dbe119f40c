"""Signing on by ticket from an event loop: libpq connects on a thread of its own, whose tickets no task has (SIGN-6).

On a loop's thread the connect would give way to other tasks in the middle, and they would find this caller's
credential cache in force. On another thread it holds for that thread only, as it does for threads. What comes of it is
libpq's connection, which belongs to no thread; the driver's object for asyncio is put around it on the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import psycopg

from connector.spi import KerberosCredential
from connector_sql.postgresql_driver import without_connection
from connector_sql.ticket_sign_on import cache_of_this_thread


def connecting_by_ticket(credential: KerberosCredential, service: str) -> Callable[..., Awaitable[Any]]:
    """What connects in place of `psycopg.AsyncConnection.connect`, with the same arguments.

    It waits for KDC and server. Cancelled, it leaves no connection behind: the thread goes on to the end of its
    connect, which libpq limits by `connect_timeout`, and closes what it got. Raises psycopg.Error, OSError, and what
    tickets raise.
    """

    def connect(*positional: Any, **named: Any) -> psycopg.Connection[Any]:
        with credential.tickets.cache_for(service) as cache, cache_of_this_thread(cache):
            return psycopg.Connection.connect(*positional, **named)

    async def connect_apart(*positional: Any, **named: Any) -> psycopg.AsyncConnection[Any]:
        connecting = asyncio.ensure_future(asyncio.to_thread(connect, *positional, **named))
        try:
            opened = await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(_let_go)
            raise
        return _for_asyncio(opened)

    return connect_apart


def _for_asyncio(opened: psycopg.Connection[Any]) -> psycopg.AsyncConnection[Any]:
    """The driver's other object around the same session; the one before is left without a connection."""
    fresh = psycopg.AsyncConnection[Any](opened.pgconn)
    fresh._adapters = opened._adapters
    fresh._autocommit = opened.autocommit
    fresh.prepare_threshold = opened.prepare_threshold
    without_connection(opened)
    return fresh


def _let_go(connecting: asyncio.Future[psycopg.Connection[Any]]) -> None:
    """Nobody waits for it any more: close what it got, and look at what it raised, so that nobody warns of it."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()
