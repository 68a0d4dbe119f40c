"""`connector signers` on a profile as `init` makes it, with real servers to fetch certificates from (CHAIN-3)."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import hashes
from support_secrets import MARKER
from support_tls import profile_keys

from connector.admin import password_input
from connector.admin.main import main
from connector.security.tls.contexts import make_context
from connector.security.tls.settings import ClientAuthentication, TlsSettings
from connector.security.tls.signer import Signer


class Profile:
    """A fresh secure profile and the command line on it; no container runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        made = CliRunner().invoke(main, ["init", str(folder), "--password-stdin"], input=MARKER)
        assert made.exit_code == 0, made.output

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        configuration = str(self.folder / "connector.toml")
        return CliRunner().invoke(main, ["-c", configuration, "signers", *arguments], input=stdin)

    def fingerprints(self) -> list[str]:
        result = CliRunner().invoke(main, ["--json", "-c", str(self.folder / "connector.toml"), "signers", "list"])
        return [one["fingerprint"] for one in json.loads(result.stdout)]


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """A profile that trusts nobody yet."""
    return Profile(tmp_path / "weather")


@contextmanager
def server(settings: TlsSettings) -> Iterator[str]:
    """A TLS server that shakes hands and says nothing; answers its address."""
    context = make_context(settings, "server")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = listening.accept()
                    with suppress(OSError, ssl.SSLError), context.wrap_socket(accepted, server_side=True) as secured:
                        secured.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_new_profile_trusts_nobody(profile: Profile) -> None:
    result = profile("list")
    assert result.exit_code == 0, result.output
    assert "Nobody is trusted yet" in result.stdout


def test_signers_are_added_listed_and_removed(profile: Profile, tmp_path: Path) -> None:
    stores = [profile_keys(tmp_path, name) for name in ("partner", "office")]
    for name in ("partner", "office", "partner"):
        result = profile("add", str(tmp_path / f"{name}.crt"))
        assert result.exit_code == 0, result.output
    assert "trusted already" in result.stdout
    shown = profile("list").stdout
    assert "CN=partner" in shown
    partner, office = (Signer.of(store.certificate).fingerprint for store in stores)
    assert profile.fingerprints() == [partner, office]
    assert profile("remove", partner.replace(":", "").lower()[:16]).exit_code == 0
    assert profile.fingerprints() == [office]


def test_what_is_not_trusted_cannot_be_removed(profile: Profile) -> None:
    for wrong in ("AB:CD", "none"):
        result = profile("remove", wrong)
        assert result.exit_code == 2
        assert "CF-TLS-004" in result.stderr


def test_what_one_exports_the_other_trusts(profile: Profile, tmp_path: Path) -> None:
    exported = profile("export").stdout
    assert "PRIVATE KEY" not in exported
    (tmp_path / "weather.crt").write_text(exported)
    other = Profile(tmp_path / "payroll")
    assert other("add", str(tmp_path / "weather.crt")).exit_code == 0
    assert "CN=weather" in other("list").stdout


def test_a_file_that_holds_no_certificate_is_refused(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "notes.pem").write_text("nothing")
    result = profile("add", str(tmp_path / "notes.pem"))
    assert (result.exit_code, "CF-TLS-006" in result.stderr) == (2, True)


@pytest.mark.parametrize("asks", ["none", "required"])
def test_a_retrieved_certificate_is_trusted_by_its_fingerprint(profile: Profile, tmp_path: Path, asks: str) -> None:
    fingerprint = Signer.of(profile_keys(tmp_path, "partner").certificate).fingerprint
    settings = TlsSettings(
        "partner",
        tmp_path / "partner.pem",
        tmp_path / "partner.crt",
        client_authentication=ClientAuthentication(asks),
    )
    with server(settings) as address:
        result = profile("retrieve", address, "--fingerprint", fingerprint.lower())
    assert result.exit_code == 0, result.output
    assert profile.fingerprints() == [fingerprint]


def test_all_that_tells_a_certificate_is_shown_before_it_is_trusted(profile: Profile, tmp_path: Path) -> None:
    shown = profile_keys(tmp_path, "partner").certificate
    with server(TlsSettings("partner", tmp_path / "partner.pem")) as address:
        result = profile("retrieve", address)
    digits = shown.fingerprint(hashes.SHA256()).hex(":").upper()
    assert result.stdout.splitlines() == [
        f"subject: {shown.subject.rfc4514_string()}",
        f"issuer: {shown.issuer.rfc4514_string()}",
        f"serial: {shown.serial_number:X}",
        f"not before: {shown.not_valid_before_utc.isoformat()}",
        f"not after: {shown.not_valid_after_utc.isoformat()}",
        f"fingerprint: {digits}",
    ]


def test_another_fingerprint_is_refused(profile: Profile, tmp_path: Path) -> None:
    profile_keys(tmp_path, "partner")
    with server(TlsSettings("partner", tmp_path / "partner.pem")) as address:
        result = profile("retrieve", address, "--fingerprint", "AB" * 32)
    assert (result.exit_code, "CF-ADM-073" in result.stderr) == (1, True)
    assert profile.fingerprints() == []


def test_without_a_terminal_an_unknown_signer_is_refused_with_the_command(profile: Profile, tmp_path: Path) -> None:
    fingerprint = Signer.of(profile_keys(tmp_path, "partner").certificate).fingerprint
    with server(TlsSettings("partner", tmp_path / "partner.pem")) as address:
        result = profile("retrieve", address)
        assert (result.exit_code, "CF-ADM-075" in result.stderr) == (1, True)
        command = f"connector signers retrieve {address} --tls node-default --fingerprint {fingerprint}"
        assert command in result.stderr.replace("\n", " ")
    assert profile.fingerprints() == []


@pytest.mark.parametrize(("answer", "trusted"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_at_a_terminal_somebody_is_asked(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, trusted: bool
) -> None:
    monkeypatch.setattr(password_input, "is_terminal", lambda: True)
    profile_keys(tmp_path, "partner")
    with server(TlsSettings("partner", tmp_path / "partner.pem")) as address:
        result = profile("retrieve", address, stdin=answer)
    assert (result.exit_code == 0) is trusted
    assert bool(profile.fingerprints()) is trusted


def test_where_nothing_answers_the_exit_code_says_so(profile: Profile) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    result = profile("retrieve", f"127.0.0.1:{port}")
    assert (result.exit_code, "CF-TLS-011" in result.stderr) == (3, True)


def test_a_server_without_tls_is_told_apart(profile: Profile) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.recv(1000)
                accepted.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        result = profile("retrieve", f"127.0.0.1:{listening.getsockname()[1]}")
        thread.join()
    assert (result.exit_code, "CF-TLS-012" in result.stderr) == (3, True)


@pytest.mark.parametrize("address", ["localhost", "localhost:", ":7286", "localhost:0", "localhost:70000", "a:b"])
def test_what_is_no_address_is_refused(profile: Profile, address: str) -> None:
    result = profile("retrieve", "--", address)
    assert (result.exit_code, "CF-TLS-010" in result.stderr) == (2, True)


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 64 + ".example"])
def test_a_name_that_no_host_can_have_can_t_be_reached(profile: Profile, host: str) -> None:
    result = profile("retrieve", f"{host}:7286")
    assert (result.exit_code, "CF-TLS-011" in result.stderr) == (3, True)
    assert "can't be the name of a host" in result.stderr.replace("\n  ", " ")


def test_a_trust_store_that_another_tool_keeps_is_not_changed(profile: Profile, tmp_path: Path) -> None:
    profile_keys(tmp_path, "partner")
    configuration = profile.folder / "connector.toml"
    (profile.folder / "signers").mkdir()
    configuration.write_text(configuration.read_text().replace('"keys/trust.pem"', '"signers"'))
    result = profile("add", str(tmp_path / "partner.crt"))
    assert (result.exit_code, "CF-TLS-003" in result.stderr) == (2, True)


def test_an_unknown_tls_configuration_is_named_with_those_there_are(profile: Profile) -> None:
    result = profile("list", "--tls", "other")
    assert (result.exit_code, "CF-ADM-070" in result.stderr) == (2, True)
    assert "node-default" in result.stderr


def test_check_reports_keys_that_are_open_unusable_or_shared(profile: Profile) -> None:
    def findings() -> dict[str, str]:
        result = CliRunner().invoke(main, ["--json", "check", str(profile.folder / "connector.toml")])
        return {one["code"]: one["severity"] for one in json.loads(result.stdout)}

    own = profile.folder / "keys" / "node.pem"
    assert not any(code.startswith("CF-CTR-06") for code in findings())
    own.chmod(0o644)
    assert findings()["CF-CTR-063"] == "warning"
    configuration = profile.folder / "connector.toml"
    configuration.write_text(configuration.read_text() + '\n[tls.copy]\nkey_store = "keys/node.pem"\n')
    assert findings()["CF-CTR-064"] == "note"  # the same file, by name
    (profile.folder / "keys" / "copied.pem").write_bytes(own.read_bytes())
    before, copy = configuration.read_text().split("[tls.copy]")
    configuration.write_text(f"{before}[tls.copy]{copy.replace('node.pem', 'copied.pem')}")
    assert findings()["CF-CTR-064"] == "warning"
    own.write_text("")
    assert findings()["CF-CTR-060"] == "error"
