"""A key store: one private key, its certificate, and the certificates that lead from it to an authority (CHAIN-3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from connector.errors import ConfigError, Reason
from connector.security.tls.reading import Key, certificates_in, key_in
from connector.spi import Secret

NO_CERTIFICATE = Reason(
    "CF-TLS-002",
    "the key store {path} holds no certificate of its key.",
    "Put the certificate that was issued for that key into it, and those of the authorities behind it.",
)


@dataclass(frozen=True, slots=True)
class KeyStore:
    """What a TLS endpoint shows of itself, and proves by its key.

    Attributes:
        key: The private key.
        certificate: Its certificate.
        chain: Further certificates, in the order of the store.
    """

    key: Key = field(repr=False)
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...] = ()

    def pem(self) -> bytes:
        """Key, certificate and chain as PEM, the key not encrypted: for the TLS library, never for a log."""
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        parts = [self.key.private_bytes(encoding, form, serialization.NoEncryption())]
        parts += [each.public_bytes(encoding) for each in (self.certificate, *self.chain)]
        return b"".join(parts)


def read_key_store(path: Path, password: Secret | None = None) -> KeyStore:
    """Read a key store: PEM file, folder of PEM files, or PKCS#12. Blocks for the disk.

    The certificate is the one that was made for the key, wherever in the store it stands.
    Raises ConfigError CF-TLS-001 where it can't be read, CF-TLS-002 where no certificate fits the key.
    """
    key = key_in(path, password)
    public = _spki(key)
    certificates = certificates_in(path, password, kind="key")
    own = next((one for one in certificates if _spki_of(one) == public), None)
    if own is None:
        raise ConfigError(NO_CERTIFICATE, path=path)
    return KeyStore(key, own, tuple(one for one in certificates if one is not own))


def _spki(key: Key) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def _spki_of(certificate: x509.Certificate) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(serialization.Encoding.DER, form)
