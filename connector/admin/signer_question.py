"""An unknown signer: shown and asked about at a terminal, elsewhere refused with the command (CHAIN-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from connector.admin import password_input
from connector.admin.output import print_line
from connector.errors import AccessDenied, Reason

if TYPE_CHECKING:
    from connector.admin.settings import CommandSettings
    from connector.errors import SignerUnknown

FINGERPRINT_DIFFERS = Reason(
    "CF-ADM-073",
    "{address} shows a certificate whose fingerprint is {found}, not {wanted}.",
    "Nothing was trusted. Find out why: it may be somebody else who answers there.",
)
NOT_CONFIRMED = Reason("CF-ADM-074", "the certificate of {address} was not confirmed.", "Nothing was trusted.")
NOBODY_TO_ASK = Reason(
    "CF-ADM-075",
    "the certificate of {address} ({subject}) is not trusted, and there is no terminal to ask at; its fingerprint is "
    "{found}.",
    "Compare it with the owner's, then: connector signers retrieve {address} --tls {tls} --fingerprint {found}",
)

_SHOWN = ("subject", "issuer", "serial", "not_before", "not_after", "fingerprint")


def confirmed_certificate(address: str, fingerprint: str | None, tls: str, *, quiet: bool, to_errors: bool) -> str:
    """The certificate that HOST:PORT shows, as PEM, once somebody has said that it may be trusted.

    Shows subject, issuer, serial number, validity and SHA-256 fingerprint, and asks at a terminal. Blocks for the
    network and for the answer.

    Args:
        address: HOST:PORT.
        fingerprint: The one that it must have, in the place of an answer; None to ask.
        tls: The TLS configuration that is to trust it, for the text.
        quiet: Whether nothing is shown where nobody is asked.
        to_errors: Whether it is shown on standard error, where standard output is for a command's own answer.

    Raises ConfigError CF-TLS-010, ConnectionFailed CF-TLS-011 or -012, AccessDenied CF-ADM-073 to -075.
    """
    from connector.security.tls.retrieve import parse_address, retrieve_certificate
    from connector.security.tls.signer import Signer, as_pem, with_colons

    certificate = retrieve_certificate(*parse_address(address))
    shown: Mapping[str, Any] = Signer.of(certificate).to_dict()
    found = str(shown["fingerprint"])
    if not quiet:
        for name in _SHOWN:
            print_line(f"{name.replace('_', ' ')}: {shown[name]}", to_errors=to_errors)
    if fingerprint is not None:
        if with_colons(fingerprint) != found:
            raise AccessDenied(FINGERPRINT_DIFFERS, address=address, found=found, wanted=fingerprint[:100])
    elif not password_input.is_terminal():
        raise AccessDenied(NOBODY_TO_ASK, address=address, subject=shown["subject"], found=found, tls=tls)
    elif not click.confirm("Trust it?", default=False, err=True):
        raise AccessDenied(NOT_CONFIRMED, address=address)
    return as_pem(certificate).decode()


def offer_to_trust(error: SignerUnknown, settings: CommandSettings) -> None:
    """Show the certificate that a command has met, ask, and trust it; what was under way may then be tried again.

    Blocks for the network and for the answer. Raises the error itself where nobody can be asked or the connection is
    not by a TLS configuration of the profile, AccessDenied CF-ADM-074 for a no.
    """
    from connector.admin.route import Route

    endpoint, tls = str(error.details["endpoint"]), str(error.details["tls"])
    route = Route(settings)
    if not password_input.is_terminal() or tls not in route.profile.stores.tls():
        raise error
    print_line(f"Nobody whom [tls.{tls}] trusts vouches for {endpoint}. It shows this certificate:", to_errors=True)
    certificate = confirmed_certificate(endpoint, None, tls, quiet=False, to_errors=True)
    route.call("signers.add", {"tls": tls, "certificates": certificate})
