"""Reading stores of keys and certificates: a PEM file, a folder of them, or PKCS#12 (CHAIN-3)."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from connector.errors import ConfigError, Reason
from connector.spi import Secret

STORE_UNREADABLE = Reason(
    "CF-TLS-001",
    "the {kind} store {path} can't be read: {why}.",
    "Give a PEM file, a folder of PEM files, or a PKCS#12 file (.p12, .pfx) with its password.",
)

PKCS12_SUFFIXES: Final = frozenset({".p12", ".pfx"})
_PEM_SUFFIXES: Final = frozenset({".pem", ".crt", ".cer", ".key"})

Key: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


def certificates_in(path: Path, password: Secret | None = None, *, kind: str = "trust") -> list[x509.Certificate]:
    """All certificates of a store, in their order. Blocks for the disk. Raises ConfigError CF-TLS-001."""
    if is_pkcs12(path):
        store = _pkcs12(path, password, kind)
        first = [store.cert] if store.cert is not None else []
        return [held.certificate for held in (*first, *store.additional_certs)]
    found: list[x509.Certificate] = []
    for file in pem_files(path, kind):
        data = _bytes(file, kind)
        # The library passes over a block without an end: whoever stands there would just not be believed any more.
        if data.count(b"-----BEGIN ") != data.count(b"-----END "):
            raise unreadable(kind, file, "it is cut off")
        if b"-----BEGIN CERTIFICATE-----" in data:
            try:
                found += x509.load_pem_x509_certificates(data)
            except ValueError:
                raise unreadable(kind, file, "it holds a certificate that is none") from None
    return found


def says_nothing(path: Path, kind: str) -> bool:
    """Whether a file holds blanks and comments only. Blocks for the disk. Raises ConfigError CF-TLS-001."""
    return all(line.startswith(b"#") for line in _bytes(path, kind).split(b"\n") if line.strip())


def key_in(path: Path, password: Secret | None = None) -> Key:
    """The one private key of a store. Blocks for the disk. Raises ConfigError CF-TLS-001 for none, two, or no key."""
    found: list[object]
    if is_pkcs12(path):
        found = [_pkcs12(path, password, "key").key]
    else:
        found = [key for file in pem_files(path, "key") for key in _keys_of(file, password)]
    keys = [key for key in found if isinstance(key, Key)]
    if len(keys) != 1:
        raise unreadable("key", path, f"it holds {len(keys) or 'no'} private key(s) that can sign, and one is needed")
    return keys[0]


def is_pkcs12(path: Path) -> bool:
    """Whether a store is PKCS#12, by its name."""
    return path.suffix.lower() in PKCS12_SUFFIXES


def pem_files(path: Path, kind: str) -> list[Path]:
    """The files of a PEM store: itself, or those in it if it is a folder, by name. Raises ConfigError CF-TLS-001."""
    if not path.is_dir():
        return [path]
    try:
        return sorted(file for file in path.iterdir() if file.suffix.lower() in _PEM_SUFFIXES and file.is_file())
    except OSError as error:
        raise unreadable(kind, path, error.strerror or type(error).__name__) from None


def _keys_of(file: Path, password: Secret | None) -> list[object]:
    data = _bytes(file, "key")
    blocks = data.split(b"-----BEGIN ")[1:]
    keys: list[object] = []
    for block in blocks:
        if b"PRIVATE KEY-----" not in block.partition(b"\n")[0]:
            continue
        encrypted = block.startswith(b"ENCRYPTED") or b"Proc-Type: 4,ENCRYPTED" in block
        given = password.reveal().encode() if password is not None and encrypted else None
        try:
            keys.append(serialization.load_pem_private_key(b"-----BEGIN " + block, given))
        except (ValueError, TypeError):
            why = "its key is encrypted and the password does not open it" if encrypted else "its key is none"
            raise unreadable("key", file, why) from None
    return keys


def _pkcs12(path: Path, password: Secret | None, kind: str) -> pkcs12.PKCS12KeyAndCertificates:
    data = _bytes(path, kind)
    try:
        return pkcs12.load_pkcs12(data, None if password is None else password.reveal().encode())
    except (ValueError, TypeError):
        raise unreadable(kind, path, "it is no PKCS#12 file, or the password does not open it") from None


def _bytes(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(kind, path, error.strerror or type(error).__name__) from None


def unreadable(kind: str, path: Path, why: str) -> ConfigError:
    """CF-TLS-001 for a store, with what is wrong about it. Pure."""
    return ConfigError(STORE_UNREADABLE, kind=kind, path=path, why=why)
