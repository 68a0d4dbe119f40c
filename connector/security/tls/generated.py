"""A key and certificate of its own for every profile: no two alike, and no password for anybody to know (CONF-5)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from connector.security.tls.key_store import KeyStore

#: How long a generated certificate is good for; `connector check` tells before it ends.
VALIDITY: Final = timedelta(days=825)
#: A certificate begins a little before it was made, since clocks differ.
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


def generate_key_store(name: str, now: datetime, *, hosts: Iterable[str] = ()) -> KeyStore:
    """Make a key on the curve P-256, and a certificate that it has signed itself.

    Args:
        name: The common name: the profile's.
        now: The time, with a time zone.
        hosts: Under which names and addresses a server with it is reached.

    Works for milliseconds; blocks for nothing.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        # It is its own issuer, which strict verifiers want to be allowed to sign; the path length keeps it at that.
        key_cert_sign=True,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    names = [_general_name(host) for host in dict.fromkeys(hosts)]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return KeyStore(key, builder.sign(key, hashes.SHA256()))


def own_hosts() -> tuple[str, ...]:
    """The names under which this machine is reached, as far as it knows: loopback and its host name. Does not block."""
    return ("localhost", socket.gethostname(), "127.0.0.1", "::1")


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
