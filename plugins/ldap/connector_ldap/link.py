"""One connection to one server, through python-ldap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar, final

from connector.spi import Secret
from connector_ldap.entries import Entry, Query
from connector_ldap.failures import Kind, ServerFailed, server_failed
from connector_ldap.library import library
from connector_ldap.settings import DirectorySettings, Server
from connector_ldap.transport import connected

_PAGE: Final = 500
# libldap opens a lost connection again by itself, without TLS, before it sends the next request. What it is told to
# open then can't exist, so that it fails instead.
_NOWHERE: Final = "ldapi://%2Fdev%2Fnull%2Fconnector"

_T = TypeVar("_T")


@final
class Link:
    """A connection, from `open` to `close`; used by one thread at a time.

    Each method blocks for the server, at most `timeout` for each answer, and raises ServerFailed.

    Args:
        server: Whose.
        raw: python-ldap's object.
        timeout: Seconds that an answer may take.
    """

    def __init__(self, server: Server, raw: Any, timeout: float) -> None:
        self.server = server
        self._raw = raw
        self._timeout = timeout
        self._ldap = library()

    @classmethod
    def open(cls, server: Server, settings: DirectorySettings) -> Link:
        """Connect, with TLS where it is configured; nobody is bound yet.

        Blocks for `connect_timeout`. Raises ServerFailed; ConfigError (CF-LDAP-004), PluginError (CF-LDAP-001).
        """
        ldap = library()
        raw = ldap.initialize(_NOWHERE, fileno=connected(server, settings).detach())
        raw.set_option(ldap.OPT_PROTOCOL_VERSION, ldap.VERSION3)
        raw.set_option(ldap.OPT_REFERRALS, ldap.OPT_OFF)
        raw.set_option(ldap.OPT_RESTART, ldap.OPT_ON)
        raw.timeout = settings.timeout
        return cls(server, raw, settings.timeout)

    def bind(self, dn: str, password: Secret) -> None:
        """Bind by password: ServerFailed of the kind REFUSED where it is wrong.

        An empty password would be an anonymous bind, which succeeds for anybody: refused without asking.
        """
        if not password or not dn or not _can_be_sent(dn, password):
            raise ServerFailed(Kind.REFUSED, "an empty name or password, or one that is no text")
        self._asked(lambda: self._raw.simple_bind_s(dn, password.reveal()))

    def search(self, query: Query) -> tuple[Entry, ...]:
        """All that is found, page by page. A referral in the answer is a failure: it would be an incomplete answer."""
        found: list[Entry] = []
        pages = self._ldap.controls.libldap.SimplePagedResultsControl(criticality=False, size=_PAGE, cookie="")
        while True:
            answered, controls = self._page(query, [pages] if query.many else None)
            found += answered
            pages.cookie = next((c.cookie for c in controls if c.controlType == pages.controlType), b"")
            if not pages.cookie:
                return tuple(found)

    def close(self) -> None:
        """End it. Does not raise."""
        try:
            self._raw.unbind_s()
        except self._ldap.LDAPError:
            return

    def _page(self, query: Query, controls: list[Any] | None) -> tuple[list[Entry], list[Any]]:
        scope = self._ldap.SCOPE_BASE if query.entry_only else self._ldap.SCOPE_SUBTREE

        def ask() -> tuple[list[tuple[str | None, Any]], list[Any]]:
            number = self._raw.search_ext(
                query.base, scope, query.filter, list(query.attributes), serverctrls=controls,
                sizelimit=0 if query.many else 2,
            )  # fmt: skip
            _, answered, _, returned = self._raw.result3(number, 1, self._timeout)
            return answered, returned

        answered, returned = self._asked(ask)
        if any(dn is None for dn, _ in answered):
            raise ServerFailed(Kind.REFERRAL, "a referral")
        entries = [
            Entry(str(dn), {str(name).lower(): tuple(values) for name, values in attributes.items()})
            for dn, attributes in answered
        ]
        return entries, returned

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """What the server answers. Its failure is raised outside of the handler: in the frames of the library's own
        stands the password.
        """
        try:
            return ask()
        except self._ldap.LDAPError as error:
            failed = server_failed(error)
        raise failed

    def __repr__(self) -> str:
        return f"<Link {self.server.url}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Link can't be pickled or copied")


def _can_be_sent(dn: str, password: Secret) -> bool:
    """Whether both are texts in UTF-8; the error that the library would raise instead holds the password."""
    try:
        return bool(dn.encode() and password.reveal().encode())
    except UnicodeEncodeError:
        return False
