"""What `connector check` says of keys and certificates: unusable, out of date, open to others, shared (CHAIN-3)."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from connector.container.finding import Told
from connector.errors import ConfigError, Reason
from connector.security.tls.contexts import make_context
from connector.security.tls.key_store import read_key_store
from connector.security.tls.settings import TlsSettings
from connector.security.tls.signer import Signer
from connector.security.tls.trust_store import TrustStore

#: How long before its end a certificate is warned of.
SOON: Final = timedelta(days=30)

STORE_UNUSABLE = Reason("CF-CTR-060", "the TLS configuration can't be used: {why}", "{action}")
EXPIRED = Reason(
    "CF-CTR-061",
    "the certificate {subject} of the {kind} store has expired on {end}",
    "Replace it; the renewed file is noticed without a restart.",
)
EXPIRES_SOON = Reason(
    "CF-CTR-062",
    "the certificate {subject} of the {kind} store expires on {end}",
    "Renew it in time; the renewed file is noticed without a restart.",
)
NOT_YET = Reason(
    "CF-CTR-580",
    "the certificate {subject} of the {kind} store is not valid before {begin}",
    "Look at this machine's clock, or wait with the new certificate: nobody accepts it yet.",
)
#: What is said of a certificate because of its dates.
OUT_OF_TIME: Final = frozenset({EXPIRED, EXPIRES_SOON, NOT_YET})
OPEN_TO_OTHERS = Reason(
    "CF-CTR-063", "the key store {path} can be read by other users", "Make it readable for its owner only: chmod 600."
)
SHARED = Reason(
    "CF-CTR-064",
    "the configurations {others} have the same key",
    "Give each its own key, unless they belong to one endpoint: who gets hold of it gets hold of all of them.",
)


def tls_findings(configured: Mapping[str, TlsSettings], now: datetime | None = None) -> Iterator[Told]:
    """Severity, reason, place and inserts of each finding. Blocks for the disk."""
    now = now or datetime.now(UTC)
    keys: dict[str, list[str]] = {}
    files: dict[str, set[Path]] = {}
    for name, settings in configured.items():
        place = f"tls.{name}"
        try:
            # Without a key store it is a client's.
            make_context(settings, "server" if settings.key_store is not None else "client")
            yield from _expiries(settings, place, now)
        except ConfigError as error:
            yield "error", STORE_UNUSABLE, place, {"why": f"{error.code}: {error.text}", "action": error.action}
            continue
        if settings.key_store is not None:
            if _others_may_read(settings.key_store):
                yield "warning", OPEN_TO_OTHERS, place, {"path": settings.key_store}
            store = read_key_store(settings.key_store, settings.key_store_password)
            fingerprint = Signer.of(store.certificate).fingerprint
            keys.setdefault(fingerprint, []).append(name)
            files.setdefault(fingerprint, set()).add(settings.key_store)
    for fingerprint, names in keys.items():
        if len(names) > 1:
            # One file in two configurations is said on purpose; a copy may have come from anywhere.
            severity = "note" if len(files[fingerprint]) == 1 else "warning"
            yield severity, SHARED, f"tls.{names[0]}", {"others": ", ".join(names)}


def _expiries(settings: TlsSettings, place: str, now: datetime) -> Iterator[Told]:
    shown = []
    if settings.key_store is not None:
        store = read_key_store(settings.key_store, settings.key_store_password)
        shown += [("key", Signer.of(one)) for one in (store.certificate, *store.chain)]
    if settings.trust_store is not None:
        trusted = TrustStore(settings.trust_store, settings.trust_store_password)
        shown += [("trust", signer) for signer in trusted.signers()]
    for kind, signer in shown:
        details: dict[str, object] = {"subject": signer.subject, "kind": kind, "end": signer.not_after.date()}
        if now < signer.not_before:
            begin = f"{signer.not_before:%Y-%m-%d %H:%M} UTC"
            yield "error" if kind == "key" else "warning", NOT_YET, place, {**details, "begin": begin}
        if signer.not_after <= now:
            yield "error" if kind == "key" else "warning", EXPIRED, place, details
        elif signer.not_after <= now + SOON:
            yield "warning", EXPIRES_SOON, place, details


def _others_may_read(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH)) and not path.is_dir()
