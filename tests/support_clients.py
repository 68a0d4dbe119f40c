"""Clients of the wire that nobody here wrote, as programs all called alike (tests/interop/clients/README.md)."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support_servers import missing

HERE = Path(__file__).parent
PROGRAMS = HERE / "interop" / "clients"
JMS_SOURCE = HERE.parent / "examples" / "jms-client" / "src" / "main" / "java" / "JmsClient.java"
#: Where tests/servers/install puts what it gets from npm and Maven Central.
INSTALLED = Path(sys.prefix) / "interop"

CLIENTS = ("proton-blocking", "proton-handlers", "rhea", "jms", "cpp")
#: Seconds after which a client is taken to hang.
PATIENCE = 60
STORE_PASSWORD = "only between these two"


@dataclass(frozen=True)
class Outcome:
    """What came of a client's run.

    Attributes:
        said: Its lines.
        code: How it ended: 0, or 3 where it was refused something.
        errors: What else it had to say.
    """

    said: tuple[str, ...]
    code: int
    errors: str

    @property
    def messages(self) -> list[str]:
        """The texts of the messages that it got."""
        return [line.removeprefix("message ") for line in self.said if line.startswith("message ")]

    @property
    def refusal(self) -> str:
        """What it was refused with; fails the test where it was not."""
        assert self.code == 3, self
        return next(line for line in self.said if line.startswith("refused "))

    def succeeded(self) -> Outcome:
        """Itself; fails the test where the client was refused something or broke."""
        assert self.code == 0, self
        return self


@dataclass(frozen=True)
class Server:
    """What a client is told of where to go.

    Attributes:
        port: Where the chain listens.
        trust: Whom to trust, as PEM; None for a chain in plain text.
        key: The client's own key and certificate, as PEM; None for none.
    """

    port: int
    trust: Path | None = None
    key: Path | None = None

    @property
    def host(self) -> str:
        """By the name that is in the certificate; in plain text by number, since a name may mean another family."""
        return "127.0.0.1" if self.trust is None else "localhost"


class Client:
    """One of them."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._command = [*command]
        self._environment = environment or {}

    def run(self, server: Server, user: str | None, *words: str, password: str | None = None) -> Outcome:
        """Have it do something, and wait until it has."""
        environment = self._told(server, user, password)
        command = [*self._command, server.host, str(server.port), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment)
        return Outcome(tuple(done.stdout.splitlines()), done.returncode, done.stderr)

    def told(self, **environment: str) -> Client:
        """The same with these in its environment."""
        return Client(self.name, self._command, {**self._environment, **environment})

    @contextmanager
    def responding(self, server: Server, user: str, address: str) -> Iterator[None]:
        """One that answers one request meanwhile."""
        command = [*self._command, server.host, str(server.port), "respond", address, "1"]
        environment = self._told(server, user, None)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
            assert running.stdout is not None
            try:
                assert running.stdout.readline() == "ready\n"
                yield
                assert running.wait(PATIENCE) == 0
            finally:
                running.kill()

    def _told(self, server: Server, user: str | None, password: str | None) -> dict[str, str]:
        told = {name: value for name, value in os.environ.items() if not name.startswith(("WIRE_", "COVERAGE"))}
        told |= self._environment
        if user is not None:
            told |= {"WIRE_USER": user, "WIRE_PASSWORD": password or user}
        if server.trust is not None:
            told["WIRE_TRUST"] = str(server.trust)
        if server.key is not None:
            told["WIRE_KEY"] = str(server.key)
        if self.name == "jms" and server.trust is not None:
            told |= _java_stores(server.trust, server.key)
        return told

    def __repr__(self) -> str:
        return f"<Client {self.name}>"


def client_named(name: str) -> Client:
    """Build one; a skip, in CI an error, where something for it is missing."""
    return (
        {"rhea": _rhea, "jms": _jms, "cpp": _cpp, "go": _go}[name]() if not name.startswith("proton") else _proton(name)
    )


def _proton(name: str) -> Client:
    import proton

    assert proton.VERSION
    program = PROGRAMS / f"{name.replace('-', '_')}.py"
    return Client(name, [sys.executable, str(program)])


def _rhea() -> Client:
    modules = INSTALLED / "node_modules"
    if shutil.which("node") is None or not (modules / "rhea").is_dir():
        missing("node and the npm package rhea (tests/servers/install)")
    return Client("rhea", ["node", str(PROGRAMS / "rhea_client.js")], {"NODE_PATH": str(modules)})


def _jms() -> Client:
    libraries = INSTALLED / "jms"
    if shutil.which("javac") is None or not any(libraries.glob("qpid-jms-client-*.jar")):
        missing("a JDK and Qpid JMS from Maven Central (tests/servers/install)")
    path = f"{libraries}/*"
    classes = _built(JMS_SOURCE, lambda folder: ["javac", "-Xlint:all,-classfile", "-cp", path, "-d", folder])
    # Short runs: no time is to go into what makes long ones fast.
    quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
    return Client("jms", ["java", *quick, "-cp", f"{classes}{os.pathsep}{path}", "JmsClient"])


def _cpp() -> Client:
    source = PROGRAMS / "client.cpp"
    if shutil.which("g++") is None or not Path("/usr/include/proton/container.hpp").exists():
        missing("g++ and Qpid Proton for C++ (tests/servers/install)")
    options = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-lqpid-proton-cpp"]
    folder = _built(source, lambda folder: [*options, "-o", f"{folder}/client"])
    return Client("cpp", [f"{folder}/client"])


def _go() -> Client:
    source = PROGRAMS / "go" / "main.go"
    program = INSTALLED / "go-client"  # as in tests/servers/install
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        if shutil.which("go") is None:
            missing("go (tests/servers/install)")
        making = program.with_name(f"{program.name}.{os.getpid()}")
        done = subprocess.run(
            ["go", "build", "-o", str(making), "."], cwd=source.parent, capture_output=True, text=True, check=False
        )
        if done.returncode:
            missing(f"go-amqp, which can't be built: {done.stderr.strip()[-300:]} (tests/servers/install)")
        making.rename(program)
    return Client("go", [str(program)])


def _built(source: Path, command: object) -> Path:
    """The folder with what a source was compiled to; compiled anew only where it has changed."""
    assert callable(command)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    folder = INSTALLED / f"built-{source.stem}-{digest}"
    if not folder.is_dir():
        making = folder.with_name(f"{folder.name}.{os.getpid()}")
        making.mkdir(parents=True)
        first, *others = command(str(making))
        done = subprocess.run([first, str(source), *others], capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(making)
            pytest.fail(f"{source.name} can't be compiled: {done.stderr}")
        making.rename(folder)
    return folder


def _java_stores(trust: Path, key: Path | None) -> dict[str, str]:
    """The same as Java reads it: PKCS#12, made by Java's own tool where it must be marked as trusted."""
    stores = {"WIRE_STORE_PASSWORD": STORE_PASSWORD}
    trusted = trust.with_suffix(".trust.p12")
    if not trusted.exists():
        _keytool("-importcert", "-noprompt", "-alias", "bus", "-file", str(trust), "-keystore", str(trusted))
    stores["WIRE_TRUST_STORE"] = str(trusted)
    if key is not None:
        own = key.with_suffix(".own.p12")
        if not own.exists():
            own.write_bytes(_pkcs12(key))
        stores["WIRE_KEY_STORE"] = str(own)
    return stores


def _keytool(*words: str) -> None:
    command = ["keytool", *words, "-storetype", "PKCS12", "-storepass", STORE_PASSWORD]
    subprocess.run(command, check=True, capture_output=True)


def _pkcs12(pem: Path) -> bytes:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12
    from cryptography.x509 import load_pem_x509_certificate

    text = pem.read_bytes()
    key, certificate = load_pem_private_key(text, None), load_pem_x509_certificate(text)
    encryption = BestAvailableEncryption(STORE_PASSWORD.encode())
    return pkcs12.serialize_key_and_certificates(b"client", key, certificate, None, encryption)  # type: ignore[arg-type]
