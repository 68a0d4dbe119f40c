"""A signer: a certificate that is trusted, as people look at one (CHAIN-3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization


@dataclass(frozen=True, slots=True)
class Signer:
    """What is shown of a certificate before somebody trusts it.

    Attributes:
        subject: Whom it is for.
        issuer: Who says so.
        serial: Its serial number, hexadecimal.
        not_before: When its validity begins.
        not_after: When it ends.
        fingerprint: SHA-256 of the whole, as pairs of hexadecimal digits with colons.
    """

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    fingerprint: str

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Signer:
        """The signer of a certificate. Pure."""
        return cls(
            certificate.subject.rfc4514_string() or "(no name)",
            certificate.issuer.rfc4514_string() or "(no name)",
            f"{certificate.serial_number:X}",
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            with_colons(certificate.fingerprint(hashes.SHA256()).hex()),
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "fingerprint": self.fingerprint,
        }


def with_colons(digits: str) -> str:
    """`AB:CD:…` of hexadecimal digits, whichever way they are written: to show a fingerprint and to compare it."""
    plain = "".join(digit for digit in digits.upper() if digit in "0123456789ABCDEF")
    return ":".join(plain[place : place + 2] for place in range(0, len(plain), 2))


def as_pem(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)
