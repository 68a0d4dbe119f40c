"""A trust store: the certificates whose holders, and whose issued ones, are believed (CHAIN-3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from cryptography import x509

from connector.errors import ConfigError, NameNotFound, Reason
from connector.security.durable_file import exclusive, replace_file
from connector.security.tls.reading import certificates_in, is_pkcs12, says_nothing, unreadable
from connector.security.tls.signer import Signer, as_pem, with_colons
from connector.spi import Secret

STORE_NOT_OURS = Reason(
    "CF-TLS-003",
    "the trust store {path} is {what}, which the connector commands read and don't change.",
    "Change it with the tool that made it, or name a PEM file in `trust_store`.",
)
SIGNER_UNKNOWN = Reason(
    "CF-TLS-004",
    "the trust store {path} holds no signer whose fingerprint begins with {fingerprint}.",
    "See `connector signers list`; nothing was changed.",
)
SIGNER_NOT_UNIQUE = Reason(
    "CF-TLS-005",
    "the trust store {path} holds {count} signers whose fingerprints begin with {fingerprint}.",
    "Give more of it; nothing was changed.",
)
NOT_WRITTEN = Reason(
    "CF-TLS-580",
    "the trust store {path} can't be written: {why}; nothing was changed.",
    "Put that right and try again.",
)
NOTHING_TO_ADD = Reason(
    "CF-TLS-006", "the file {path} holds no certificate.", "Give a PEM file of one or more certificates."
)


@final
class TrustStore:
    """The signers of one store. Reads the disk each time; changes are atomic and exclude each other, in processes too.

    Args:
        path: A PEM file, which may be missing and then is empty; or, read-only, a folder of them or PKCS#12.
        password: Of a PKCS#12 file.
    """

    def __init__(self, path: Path, password: Secret | None = None) -> None:
        self.path = path
        self._password = password

    def certificates(self) -> list[x509.Certificate]:
        """All of them. Blocks for the disk. Raises ConfigError CF-TLS-001."""
        if not self.path.exists():
            return []
        found = certificates_in(self.path, self._password)
        if not found and self.path.is_file() and not is_pkcs12(self.path) and not says_nothing(self.path, "trust"):
            # In another encoding, for example: nobody would be trusted, and a change would write over it.
            raise unreadable("trust", self.path, "it is not empty, and holds no certificate in PEM")
        return found

    def signers(self) -> list[Signer]:
        """All of them, to look at. Blocks for the disk. Raises ConfigError CF-TLS-001."""
        return [Signer.of(certificate) for certificate in self.certificates()]

    def add(self, certificates: list[x509.Certificate]) -> list[Signer]:
        """Trust certificates; answers those that were not trusted before. Blocks for the disk.

        Raises ConfigError CF-TLS-003 for a store that isn't ours to change, -580 for one that can't be written.
        """
        self._writable()
        with self._changing():
            known = self.certificates()
            new = [one for one in dict.fromkeys(certificates) if one not in known]
            if new:
                self._write([*known, *new])
        return [Signer.of(certificate) for certificate in new]

    def remove(self, fingerprint: str) -> Signer:
        """Trust one no longer; answers it. The beginning of its fingerprint will do if it is the only one.

        Blocks for the disk. Raises NameNotFound CF-TLS-004, ConfigError CF-TLS-003, -005 or -580.
        """
        self._writable()
        wanted = with_colons(fingerprint)
        with self._changing():
            known = self.certificates()
            found = [one for one in known if wanted and Signer.of(one).fingerprint.startswith(wanted)]
            if not found:
                raise NameNotFound(SIGNER_UNKNOWN, path=self.path, fingerprint=fingerprint[:100])
            if len(found) > 1:
                raise ConfigError(SIGNER_NOT_UNIQUE, path=self.path, fingerprint=fingerprint[:100], count=len(found))
            self._write([one for one in known if one is not found[0]])
        return Signer.of(found[0])

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep others away for as long as it is read and written."""
        try:
            with exclusive(self.path):
                yield
        except OSError as error:
            raise ConfigError(NOT_WRITTEN, path=self.path, why=error.strerror or type(error).__name__) from None

    def _writable(self) -> None:
        if is_pkcs12(self.path):
            raise ConfigError(STORE_NOT_OURS, path=self.path, what="a PKCS#12 file")
        if self.path.is_dir():
            raise ConfigError(STORE_NOT_OURS, path=self.path, what="a folder")

    def _write(self, certificates: list[x509.Certificate]) -> None:
        text = b"".join(f"# {Signer.of(one).subject}\n".encode() + as_pem(one) for one in certificates)
        replace_file(self.path, text)

    def __repr__(self) -> str:
        return f"<TrustStore {self.path}>"


def certificates_to_add(path: Path) -> list[x509.Certificate]:
    """The certificates of a file that somebody wants to trust. Blocks for the disk.

    Raises ConfigError CF-TLS-001, -006.
    """
    found = certificates_in(path)
    if not found:
        raise ConfigError(NOTHING_TO_ADD, path=path)
    return found
