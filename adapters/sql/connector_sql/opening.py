"""How one resource's physical connections are opened and signed on; shared by its factory and its connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, final

from sqlalchemy.engine.interfaces import DBAPIConnection

from connector.errors import ConnectionFailed, LoginRefused, Reason
from connector.spi import KerberosCredential, PasswordCredential, PlatformIdentity, Subject
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import SqlCredential, credential_for, is_refusal
from connector_sql.ticket_sign_on import cache_of_this_thread, require_able, require_socket, service_of

LOGIN_REFUSED = Reason(
    "CF-SQL-011",
    "the database of resource {resource} refused user {user!r} or its password.",
    "Correct the authentication data that the sign-on took it from (`connector explain` shows which); it is not tried"
    " again by itself, since that may lock the account.",
)
NOT_BY_PASSWORD_REFUSED = Reason(
    "CF-SQL-013",
    "the database of resource {resource} refused user {user!r}, signed on by mechanism {mechanism}: {why}.",
    "The server's pg_hba.conf must let that user in by gss (by peer on a socket), its pg_ident.conf must map who signs"
    " on to that user, and the role must exist.",
)
UNREACHABLE = Reason(
    "CF-SQL-012",
    "the database of resource {resource} ({where}) can't be connected to: {why}.",
    "Check that it runs and can be reached from here, and the url of the resource.",
)

#: What a credential that is no password makes libpq insist on: no other way of signing on, no password file.
_INSISTS_ON: Final[Mapping[type, str]] = {KerberosCredential: "gss", PlatformIdentity: "none"}
#: libpq's words where the server asks for something else than was insisted on.
_INSISTED: Final = "authentication method requirement"

#: What a driver must be told, by SQLAlchemy's names of database and driver.
_DRIVER_ARGUMENTS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    # It prepares a statement after some uses, and loses step when DISCARD ALL drops it on the server.
    ("postgresql", "psycopg"): {"prepare_threshold": None},
    # The pool hands a connection from thread to thread, one at a time; memory databases would refuse.
    ("sqlite", "pysqlite"): {"check_same_thread": False},
}


@final
class Opening:
    """The driver's side of sign-on. Immutable, safe to use from several threads.

    Args:
        settings: The resource.
        signs_on_for: The managed connection factory whose credentials are used (SIGN-6).
    """

    def __init__(self, settings: SqlSettings, signs_on_for: object) -> None:
        self._settings = settings
        self._signs_on_for = signs_on_for
        self._dialect = settings.dialect
        on_connect = self._dialect.on_connect_url(settings.url)
        self._on_connect = (on_connect,) if on_connect is not None else ()

    def credential(self, subject: Subject | None) -> SqlCredential | None:
        """What to sign on with; None for "by the URL alone". Does not block.

        Raises SignOnError as `sign_on.credential_for`, ConfigError where the driver takes passwords only.
        """
        settings = self._settings
        credential = credential_for(
            self._signs_on_for, settings.resource, self._dialect.name, settings.url.username, subject
        )
        if credential is not None and not isinstance(credential, PasswordCredential):
            require_able(settings, credential.mechanism)
        return credential

    def user(self, credential: SqlCredential | None) -> str | None:
        """Who that is; None if the driver decides."""
        return credential.user if credential is not None else self._settings.url.username

    def connect(self, credential: SqlCredential | None) -> DBAPIConnection:
        """The driver's connection. Blocks for connecting. Raises LoginRefused, ConnectionFailed, without a password."""
        opened = self._opened(credential)
        if isinstance(opened, ConnectionFailed):
            raise opened
        return opened

    def begin_session(self, dbapi_connection: DBAPIConnection) -> None:
        """What the dialect does with each new session; may block for a round trip, and raise what the driver raises."""
        for hook in self._on_connect:
            hook(dbapi_connection)

    def arguments(self) -> dict[str, Any]:
        """What the driver is told besides user and password."""
        return self._arguments(None)[1]

    def failure(self, error: BaseException, credential: SqlCredential | None) -> ConnectionFailed:
        """What to raise for a driver's error while signing on: LoginRefused, or else ConnectionFailed."""
        if credential is not None and not isinstance(credential, PasswordCredential):
            said = " ".join(str(error).split())
            if is_refusal(error) or _INSISTED in said:
                return LoginRefused(
                    NOT_BY_PASSWORD_REFUSED,
                    resource=self._settings.resource,
                    user=credential.user,
                    mechanism=credential.mechanism,
                    why=said,
                )
        elif credential is not None and is_refusal(error):
            return LoginRefused(LOGIN_REFUSED, resource=self._settings.resource, user=credential.user)
        return self.unreachable(error, credential)

    def unreachable(self, error: BaseException, credential: SqlCredential | None) -> ConnectionFailed:
        """The driver's own words, unless the password is among them; then only what kind of error it was."""
        why = " ".join(str(error).split()) or type(error).__name__
        password = credential.password if isinstance(credential, PasswordCredential) else None
        if password and password.reveal() in why:
            why = type(error).__name__
        where = self._settings.url.render_as_string(hide_password=True)
        return ConnectionFailed(UNREACHABLE, resource=self._settings.resource, where=where, why=why)

    def _opened(self, credential: SqlCredential | None) -> DBAPIConnection | ConnectionFailed:
        """The driver's connection, or the error to raise instead: a value, so that neither this frame nor the driver's,
        which hold the password, hang on it for whoever prints tracebacks with their variables.
        """
        positional, named = self._arguments(credential)
        if isinstance(credential, KerberosCredential) and self._dialect.is_async:
            from connector_sql.ticket_on_loop import connecting_by_ticket

            service = service_of(self._settings, credential.mechanism)
            named["async_creator_fn"] = connecting_by_ticket(credential, service)
        try:
            with self._vouched_for(credential):
                return self._dialect.connect(*positional, **named)
        # TypeError, ValueError: an unknown connect argument, or one that the driver can't use.
        except (self._dialect.loaded_dbapi.Error, OSError, TypeError, ValueError) as error:
            return self.failure(error, credential)

    def _arguments(self, credential: SqlCredential | None) -> tuple[list[Any], dict[str, Any]]:
        url = self._settings.url
        if isinstance(credential, PasswordCredential):
            url = url.set(username=credential.user, password=credential.password.reveal())
        elif credential is not None:
            url = url.set(username=credential.user)
        positional, named = self._dialect.create_connect_args(url)
        arguments = {**named, **self._settings.connect_args}
        arguments |= _DRIVER_ARGUMENTS.get((self._dialect.name, self._dialect.driver), {})
        if self._settings.strategy == "trusted-context":
            from connector_sql.db2_trusted import connect_arguments

            arguments |= connect_arguments()
        if type(credential) in _INSISTS_ON:
            arguments["require_auth"] = _INSISTS_ON[type(credential)]
            # Said, since builds of libpq differ in what they do unasked, and psycopg warns of that.
            arguments.setdefault("gssencmode", "prefer" if isinstance(credential, KerberosCredential) else "disable")
        return list(positional), arguments

    @contextmanager
    def _vouched_for(self, credential: SqlCredential | None) -> Iterator[None]:
        """What signing on without a password needs around the connect. Raises ConfigError, and what tickets raise."""
        if isinstance(credential, KerberosCredential) and not self._dialect.is_async:
            service = service_of(self._settings, credential.mechanism)
            with credential.tickets.cache_for(service) as cache, cache_of_this_thread(cache):
                yield
            return
        if isinstance(credential, PlatformIdentity):
            require_socket(self._settings)
        yield
