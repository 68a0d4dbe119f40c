"""A directory of several servers: whoever answers first is asked, the preferred one again once it is back.

Theory of operation
-------------------
Searches run as the service account, on connections that are kept for a minute at most; passwords are checked on
connections of their own, so that no kept one is ever bound as a user.  A kept connection that turns out broken is not a
failure: the request is made again on a new one.  Of the servers those that failed lately are tried last, not left
out: so an outage costs as little as can be, and its end needs no restart.  That a server can't be reached, or can't
prove who it is, is the only reason to go on to the next one; what a server answers is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, NoReturn, TypeVar, final

from connector.spi import Clock, Secret, SystemClock
from connector_ldap.entries import Entry, Query
from connector_ldap.failures import (
    ACCOUNT_REFUSED,
    BIND_REFUSED,
    DIRECTORY_DOWN,
    NAME_AMBIGUOUS,
    REFERRED,
    SEARCH_REFUSED,
    TLS_FAILED,
    DirectoryError,
    Kind,
    ServerFailed,
)
from connector_ldap.link import Link
from connector_ldap.settings import DirectorySettings, Server

#: How long a connection is kept: an idle server's own limit is longer, and a preferred server is used again after it.
KEPT_SECONDS: Final = 60.0
#: How long a server that failed is tried last.
RESTING_SECONDS: Final = 30.0
_MOST_KEPT: Final = 4
_ELSEWHERE: Final = frozenset({Kind.AWAY, Kind.UNTRUSTED})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """Whom searches run as.

    Attributes:
        dn: Its distinguished name.
        password: Its password, not empty.
    """

    dn: str
    password: Secret


@final
class Directory:
    """One directory, asked as one service account. Safe to use from any thread.

    Args:
        settings: Its servers.
        account: Whom searches run as.
        clock: For ages and rests.

    Constructing connects to nothing. Each method blocks for at most `connect_timeout` and some times `timeout` for each
    server, and raises DirectoryError (CF-LDAP-010 to 016), ConfigError (004), PluginError (001).
    """

    def __init__(self, settings: DirectorySettings, account: ServiceAccount, clock: Clock | None = None) -> None:
        self._settings = settings
        self._account = account
        self._clock = clock or SystemClock()
        self._lock = Lock()
        # Mutable, under the lock: kept connections, each with when it was opened; when which server failed last;
        # whether it is closed, after which no connection is kept.
        self._kept: list[tuple[float, Link]] = []
        self._failed: dict[Server, float] = {}
        self._closed = False

    def find(self, query: Query) -> Entry | None:
        """The one entry; None where there is none. Several are an error (CF-LDAP-016)."""
        found = self.search(query)
        if len(found) > 1:
            raise DirectoryError(NAME_AMBIGUOUS, name=query.filter, base=query.base)
        return found[0] if found else None

    def search(self, query: Query) -> tuple[Entry, ...]:
        """All entries; none where `entry_only` is asked for one that is not there."""
        kept = self._take()
        if kept is not None:
            opened, link = kept
            try:
                answer = self._searched(link, query)
            except ServerFailed:
                # It may have been idle for too long, or of the time before an outage: a new one will tell.
                self._drop(link)
            except BaseException:
                link.close()
                raise
            else:
                self._keep(opened, link)
                return answer
        return self._first_answer(lambda server: self._searched_anew(server, query))

    def accepts(self, dn: str, password: Secret) -> bool:
        """Whether the entry's password is this one: asked of a server each time. Empty: False."""
        if not password:
            return False

        def ask(server: Server) -> bool:
            link = Link.open(server, self._settings)
            try:
                link.bind(dn, password)
            except ServerFailed as failed:
                if failed.kind not in {Kind.REFUSED, Kind.ABSENT}:
                    raise _bind_failure(server, failed) from None
                return False
            finally:
                link.close()
            return True

        return self._first_answer(ask)

    def close(self) -> None:
        """Let go of the kept connections. What is under way goes on."""
        with self._lock:
            kept, self._kept, self._closed = self._kept, [], True
        for _, link in kept:
            link.close()

    def _first_answer(self, ask: Callable[[Server], _T]) -> _T:
        tried: list[str] = []
        kinds: set[Kind] = set()
        with self._lock:
            servers = in_order(self._settings.servers, self._failed, self._clock.monotonic())
        for server in servers:
            try:
                answer = ask(server)
            except ServerFailed as failed:
                tried.append(f"{server.url}: {failed.why}")
                kinds.add(failed.kind)
                with self._lock:
                    self._failed[server] = self._clock.monotonic()
            else:
                with self._lock:
                    self._failed.pop(server, None)
                return answer
        raise DirectoryError(TLS_FAILED if kinds == {Kind.UNTRUSTED} else DIRECTORY_DOWN, tried="; ".join(tried))

    def _searched_anew(self, server: Server, query: Query) -> tuple[Entry, ...]:
        opened = self._clock.monotonic()
        link = Link.open(server, self._settings)
        try:
            try:
                link.bind(self._account.dn, self._account.password)
            except ServerFailed as failed:
                if failed.kind in {Kind.REFUSED, Kind.ABSENT}:
                    raise DirectoryError(ACCOUNT_REFUSED, server=server.url, account=self._account.dn) from None
                raise _bind_failure(server, failed) from None
            answer = self._searched(link, query)
        except BaseException:
            link.close()
            raise
        self._keep(opened, link)
        return answer

    def _searched(self, link: Link, query: Query) -> tuple[Entry, ...]:
        """The answer. Raises ServerFailed only where another connection may do better."""
        try:
            return link.search(query)
        except ServerFailed as failed:
            if failed.kind is Kind.ABSENT and query.entry_only:
                return ()
            raise _search_failure(link.server, query, failed) from None

    def _take(self) -> tuple[float, Link] | None:
        with self._lock:
            oldest = self._clock.monotonic() - KEPT_SECONDS
            old = [one for one in self._kept if one[0] <= oldest]
            self._kept = [one for one in self._kept if one[0] > oldest]
            taken = self._kept.pop() if self._kept else None
        for _, link in old:
            link.close()
        return taken

    def _keep(self, opened: float, link: Link) -> None:
        with self._lock:
            room = not self._closed and len(self._kept) < _MOST_KEPT
            if room:
                self._kept.append((opened, link))
        if not room:
            link.close()

    def _drop(self, broken: Link) -> None:
        """That connection, and the others to its server, which will be no better."""
        with self._lock:
            others = [link for _, link in self._kept if link.server == broken.server]
            self._kept = [one for one in self._kept if one[1].server != broken.server]
        for link in (broken, *others):
            link.close()

    def __repr__(self) -> str:
        return f"<Directory {', '.join(server.url for server in self._settings.servers)}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Directory can't be pickled or copied: it knows a password")


def in_order(servers: Sequence[Server], failed: Mapping[Server, float], now: float) -> tuple[Server, ...]:
    """The servers as they are to be tried: in the configured order, those that failed lately last. Pure."""
    resting = [server for server in servers if now - failed.get(server, float("-inf")) < RESTING_SECONDS]
    return (*(server for server in servers if server not in resting), *resting)


def _bind_failure(server: Server, failed: ServerFailed) -> ServerFailed | DirectoryError:
    if failed.kind in _ELSEWHERE:
        return failed
    return DirectoryError(BIND_REFUSED, server=server.url, why=failed.why)


def _search_failure(server: Server, query: Query, failed: ServerFailed) -> ServerFailed | DirectoryError:
    if failed.kind in _ELSEWHERE:
        return failed
    if failed.kind is Kind.REFERRAL:
        return DirectoryError(REFERRED, server=server.url, base=query.base)
    if failed.kind is Kind.AMBIGUOUS and not query.many:
        return DirectoryError(NAME_AMBIGUOUS, name=query.filter, base=query.base)
    return DirectoryError(SEARCH_REFUSED, server=server.url, base=query.base, why=failed.why)
