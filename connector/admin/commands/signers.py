"""`connector signers`: whom a TLS configuration trusts, and its own certificate for others to trust (CHAIN-3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from connector.admin.output import print_json, print_result, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of
from connector.admin.signer_question import confirmed_certificate

_DEFAULT = "node-default"


def _tls_option(command: Any) -> Any:
    option = click.option("--tls", default=_DEFAULT, show_default=True, metavar="NAME", help="Which [tls.NAME].")
    return option(command)


@click.group(cls=AdminGroup)
def signers() -> None:
    """List and change the certificates that are trusted. Role: administrator (list, export: monitor).

    A running container takes changes over for its next connections.
    """


@signers.command(name="list")
@_tls_option
@click.pass_context
def list_signers(context: click.Context, tls: str) -> None:
    """List the signers with subject, issuer, serial number, validity and SHA-256 fingerprint."""
    found = Route.of(context).call("signers.list", {"tls": tls})
    if settings_of(context).json:
        print_json(found)
        return
    columns = ("subject", "issuer", "serial", "not_before", "not_after", "fingerprint")
    print_table(columns, found, empty="Nobody is trusted yet; see `connector signers retrieve` and `add`.")


@signers.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_tls_option
@click.pass_context
def add(context: click.Context, file: Path, tls: str) -> None:
    """Trust the certificates in the PEM file FILE."""
    from connector.security.tls.signer import as_pem
    from connector.security.tls.trust_store import certificates_to_add

    text = b"".join(as_pem(one) for one in certificates_to_add(file)).decode()
    result = Route.of(context).call("signers.add", {"tls": tls, "certificates": text})
    print_result(result, as_json=settings_of(context).json, for_people=_added(result))


@signers.command()
@click.argument("fingerprint")
@_tls_option
@click.pass_context
def remove(context: click.Context, fingerprint: str, tls: str) -> None:
    """Trust the signer with FINGERPRINT no longer; its beginning will do where it is the only one."""
    result = Route.of(context).call("signers.remove", {"tls": tls, "fingerprint": fingerprint})
    print_result(result, as_json=settings_of(context).json, for_people=f"Removed {result['subject']}.")


@signers.command()
@click.option("--fingerprint", is_flag=True, help="Print its SHA-256 fingerprint, to be told to others another way.")
@_tls_option
@click.pass_context
def export(context: click.Context, fingerprint: bool, tls: str) -> None:
    """Print the own certificate in PEM, for others to trust; the key stays here."""
    result = Route.of(context).call("signers.export", {"tls": tls})
    if settings_of(context).json:
        print_json(result)
    elif fingerprint:
        click.echo(result["fingerprint"])
    else:
        click.echo(result["certificates"], nl=False)


@signers.command()
@click.argument("address", metavar="HOST:PORT")
@click.option("--fingerprint", help="Trust it if its SHA-256 fingerprint is this one, without asking.")
@_tls_option
@click.pass_context
def retrieve(context: click.Context, address: str, fingerprint: str | None, tls: str) -> None:
    """Fetch the certificate that HOST:PORT shows, show it, and trust it if you say so.

    At a terminal it asks; elsewhere it takes --fingerprint, or refuses and tells the command. Exit code 3 where nothing
    answers.
    """
    settings = settings_of(context)
    certificate = confirmed_certificate(address, fingerprint, tls, quiet=settings.json, to_errors=False)
    result = Route.of(context).call("signers.add", {"tls": tls, "certificates": certificate})
    print_result(result, as_json=settings.json, for_people=_added(result))


def _added(added: list[dict[str, Any]]) -> str:
    if not added:
        return "It was trusted already."
    return "Trusted: " + "; ".join(str(one["subject"]) for one in added) + "."
