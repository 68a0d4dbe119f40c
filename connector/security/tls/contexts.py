"""From a TLS configuration to the library's contexts, renewed when the files have changed (CHAIN-3).

Theory of operation
-------------------
A context is made of what the stores hold at that moment and is never changed afterwards. `current` looks at the files'
stamps; where they are new, a new context is made for the connections to come, while those that stand keep theirs. What
can't be read, a half-written file for example, leaves the last good context in force and is reported. A trust store
that can be read and holds nobody any more is no such thing: whoever was removed from it last is not let in again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
import tempfile
import threading
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Literal, final

from connector.errors import ConfigError, Reason
from connector.security.durable_file import file_stamp
from connector.security.tls.key_store import read_key_store
from connector.security.tls.reading import is_pkcs12, pem_files
from connector.security.tls.settings import ClientAuthentication, TlsSettings
from connector.security.tls.signer import as_pem
from connector.security.tls.trust_store import TrustStore

NO_KEY_STORE = Reason(
    "CF-TLS-007",
    "the TLS configuration {name} has no key store, and a server must show a certificate.",
    "Set `key_store` in [tls.{name}].",
)
NO_SIGNERS = Reason(
    "CF-TLS-008",
    "the TLS configuration {name} asks clients for certificates and trusts no signer.",
    "Set `trust_store` in [tls.{name}] and add the clients' signers: connector signers add FILE.",
)

UNFIT = Reason(
    "CF-TLS-009", "the TLS configuration {name} can't be used: {why}.", "Look into its key store and trust store."
)

_log = logging.getLogger("connector.security.tls")

Side = Literal["server", "client"]
_VERIFY = {
    ClientAuthentication.NONE: ssl.CERT_NONE,
    ClientAuthentication.SUPPORTED: ssl.CERT_OPTIONAL,
    ClientAuthentication.REQUIRED: ssl.CERT_REQUIRED,
}


def make_context(settings: TlsSettings, side: Side, *, trusting_nobody: bool = False) -> ssl.SSLContext:
    """A fresh context of what the stores hold now. Blocks for the disk.

    A client verifies certificate and host name, always; whoever stands in the trust store is believed, whether it is an
    authority or the very certificate of the other side. Raises ConfigError CF-TLS-001, -002, -007, -008, -009.

    Args:
        settings: The configuration.
        side: For which side of a connection.
        trusting_nobody: Whether a server may ask for certificates though it trusts no signer, in the place of -008.
    """
    try:
        return _made(settings, server=side == "server", trusting_nobody=trusting_nobody)
    except ssl.SSLError as error:
        why = error.reason or type(error).__name__
    raise ConfigError(UNFIT, name=settings.name, why=why)


def _made(settings: TlsSettings, *, server: bool, trusting_nobody: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = settings.minimum_protocol
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.key_store is not None:
        store = read_key_store(settings.key_store, settings.key_store_password)
        with _unseen_file(store.pem()) as file:
            context.load_cert_chain(file)
    elif server:
        raise ConfigError(NO_KEY_STORE, name=settings.name)
    if server:
        context.verify_mode = _VERIFY[settings.client_authentication]
        context.num_tickets = 0  # a session that is resumed would not show its certificate to a new context
    if not server or context.verify_mode is not ssl.CERT_NONE:
        _trust(context, settings, system=not server, trusting_nobody=trusting_nobody)
    return context


@final
class TlsContexts:
    """The context in force of one TLS configuration and side. Safe to use from any thread.

    Args:
        settings: The configuration.
        side: For which side of a connection.

    Raises ConfigError, as `make_context`, where there is not even a first context.
    """

    # Mutable state, changed under `_lock`: `_stamps`, `_context`, `failure`.

    def __init__(self, settings: TlsSettings, side: Side) -> None:
        self.settings = settings
        self._side: Side = side
        self._lock = threading.Lock()
        self._stamps = _stamps(settings)
        self._context = make_context(settings, side)
        #: Why the files as they stand are not in force; None while they are.
        self.failure: ConfigError | None = None

    def current(self) -> ssl.SSLContext:
        """The context for a new connection. Looks at the files' dates, and reads them where these are new.

        Raises nothing: what can't be used is in `failure` and in the log, once.
        """
        with self._lock:
            stamps = _stamps(self.settings)
            if stamps != self._stamps:
                self._stamps = stamps
                try:
                    self._context, self.failure = make_context(self.settings, self._side), None
                except ConfigError as error:
                    self.failure = error
                    if error.code == NO_SIGNERS.code and self._is_emptied():
                        with contextlib.suppress(ConfigError):  # changed again meanwhile: the next look will see it
                            self._context = make_context(self.settings, self._side, trusting_nobody=True)
                        _log.warning("TLS %s lets in nobody with a certificate: %s", self.settings.name, error)
                    else:
                        _log.warning("TLS %s keeps its last good keys and signers: %s", self.settings.name, error)
                else:
                    _log.info("TLS %s has read its stores again", self.settings.name)
            return self._context

    def _is_emptied(self) -> bool:
        """Whether there is a trust store, in which nobody stands; where it is missing, it may just be replaced."""
        return self.settings.trust_store is not None and self.settings.trust_store.exists()

    def __repr__(self) -> str:
        return f"<TlsContexts {self.settings.name}, {self._side}>"


def _trust(context: ssl.SSLContext, settings: TlsSettings, *, system: bool, trusting_nobody: bool) -> None:
    signers = []
    if settings.trust_store is not None:
        signers = TrustStore(settings.trust_store, settings.trust_store_password).certificates()
    if signers:
        context.load_verify_locations(cadata=b"".join(map(as_pem, signers)).decode())
    elif settings.trust_store is None and system:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    elif not system and not trusting_nobody:
        raise ConfigError(NO_SIGNERS, name=settings.name)


@contextlib.contextmanager
def _unseen_file(content: bytes) -> Iterator[str]:
    """A name under which the TLS library reads a key that is never written to a disk, where the system can do that."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("connector-key", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile(prefix="connector-", suffix=".pem") as file:  # made with mode 0600
        file.write(content)
        file.flush()
        yield file.name


def _stamps(settings: TlsSettings) -> tuple[Hashable, ...]:
    """Changes whenever one of the stores does."""
    stamps: list[Hashable] = []
    for path in (settings.key_store, settings.trust_store):
        if path is None:
            continue
        stamps.append(file_stamp(path))
        if path.is_dir() and not is_pkcs12(path):
            with contextlib.suppress(ConfigError):
                stamps += [file_stamp(file) for file in pem_files(path, "")]
    return tuple(stamps)
