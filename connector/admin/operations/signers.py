"""Operations on trust stores and own certificates; a running container notices the changed files (CHAIN-3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography import x509

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.errors import ConfigError, NameNotFound, Reason
from connector.security.tls.key_store import read_key_store
from connector.security.tls.settings import TlsSettings
from connector.security.tls.signer import Signer, as_pem
from connector.security.tls.trust_store import TrustStore

TLS_UNKNOWN = Reason(
    "CF-ADM-070", "there is no TLS configuration {name!r}; there are: {known}.", "Add [tls.{name}], or give --tls NAME."
)
STORE_NOT_CONFIGURED = Reason(
    "CF-ADM-071", "the TLS configuration {name!r} has no {kind} store.", "Set `{kind}_store` in [tls.{name}]."
)
CERTIFICATE_UNFIT = Reason(
    "CF-ADM-072", "what is to be trusted is no certificate in PEM.", "Give a file of certificates in PEM."
)


def list_signers(target: Target, request: Request) -> list[dict[str, Any]]:
    """All signers of a trust store."""
    return [signer.to_dict() for signer in _trust_store(target, request).signers()]


def add_signers(target: Target, request: Request) -> list[dict[str, Any]]:
    """Trust certificates, given as PEM; answers those that are new. Raises ConfigError CF-ADM-072, CF-TLS-003."""
    try:
        certificates = x509.load_pem_x509_certificates(request.arguments.text("certificates").encode())
    except ValueError:
        raise ConfigError(CERTIFICATE_UNFIT) from None
    return [signer.to_dict() for signer in _trust_store(target, request).add(certificates)]


def remove_signer(target: Target, request: Request) -> dict[str, Any]:
    """Trust one no longer. Raises NameNotFound CF-TLS-004, ConfigError CF-TLS-003 or -005."""
    return _trust_store(target, request).remove(request.arguments.text("fingerprint")).to_dict()


def export_certificate(target: Target, request: Request) -> dict[str, Any]:
    """The own certificate with what leads to its authority, as PEM: for others to trust. Never the key."""
    settings = _settings(target, request)
    if settings.key_store is None:
        raise ConfigError(STORE_NOT_CONFIGURED, name=settings.name, kind="key")
    store = read_key_store(settings.key_store, settings.key_store_password)
    pem = b"".join(as_pem(one) for one in (store.certificate, *store.chain)).decode()
    return {**Signer.of(store.certificate).to_dict(), "certificates": pem}


def _trust_store(target: Target, request: Request) -> TrustStore:
    settings = _settings(target, request)
    if settings.trust_store is None:
        raise ConfigError(STORE_NOT_CONFIGURED, name=settings.name, kind="trust")
    return TrustStore(Path(settings.trust_store), settings.trust_store_password)


def _settings(target: Target, request: Request) -> TlsSettings:
    name = request.arguments.text("tls")
    known = target.stores.tls()
    if name not in known:
        raise NameNotFound(TLS_UNKNOWN, name=name[:80], known=", ".join(sorted(known)) or "none")
    return known[name]
