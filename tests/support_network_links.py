"""Two buses with a link over the network: in containers of their own, with chains, under TLS or in plain text."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support_bus import FakeIdentity, start_world
from support_certificates import Authority
from support_links import ALIASES, Abroad, britain, france
from support_rabbitmq import free_port

from connector.errors import AuthenticationFailed
from connector.security.identity import AUTHENTICATION_REFUSED, USER_UNKNOWN
from connector.security.scram import fitting_nothing, read_scram_verifier, scram_verifier_of
from connector.spi import ScramVerifier, Secret, Subject

SECURE, BASIC = "InboundSecureMessaging", "InboundBasicMessaging"


class RegistryIdentity(FakeIdentity):
    """One that says as the registry does what is wrong."""

    def authenticate(self, user: str, password: Secret) -> Subject:
        if user not in self.users or password.reveal() != self.users[user][0]:
            raise AuthenticationFailed(AUTHENTICATION_REFUSED, user=user, realm=self.realm)
        return self.assert_user(user)

    def assert_user(self, user: str) -> Subject:
        if user not in self.users:
            raise AuthenticationFailed(USER_UNKNOWN, user=user, realm=self.realm)
        return super().assert_user(user)


class ProvingIdentity(RegistryIdentity):
    """One whose users all sign on by SCRAM-SHA-256; whoever sends a password is noted in `passwords`."""

    def __init__(self) -> None:
        super().__init__()
        self.passwords: list[str] = []
        self._verifiers = {user: _verifier(password) for user, (password, *_) in self.users.items()}

    def authenticate(self, user: str, password: Secret) -> Subject:
        self.passwords.append(user)
        return super().authenticate(user, password)

    def scram_offered(self) -> bool:
        return True

    def scram_verifier(self, user: str) -> ScramVerifier | None:
        return self._verifiers.get(user) or fitting_nothing(user, next(iter(self._verifiers.values())))

    def scram_ended(self, user: str, *, proved: bool) -> Subject:
        if not proved:
            raise AuthenticationFailed(AUTHENTICATION_REFUSED, user=user, realm=self.realm)
        return self.assert_user(user)


def _verifier(password: str) -> ScramVerifier:
    made = read_scram_verifier(scram_verifier_of(Secret(password), 4096))
    assert made is not None
    return made


class TestTls:
    """Contexts of one authority: everybody trusts it, and has a certificate of 127.0.0.1."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        authority = Authority()
        (folder / "authority.pem").write_bytes(authority.pem)
        certificate, key = authority.issue("127.0.0.1")
        (folder / "host.pem").write_bytes(certificate + key)
        self._folder = folder

    def server_context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / "host.pem")
        context.load_verify_locations(self._folder / "authority.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def client_context(self, name: str) -> ssl.SSLContext:
        if name == "stranger":
            return ssl.create_default_context()
        context = ssl.create_default_context(cafile=str(self._folder / "authority.pem"))
        if name == "certified":
            context.load_cert_chain(self._folder / "host.pem")
        return context


class Distant(Abroad):
    """A bus in a container of its own, which is reached through a chain."""

    def __init__(
        self, folder: Path, bus: str, settings: Mapping[str, Any], chains: Mapping[str, Any], tls: TestTls, **more: Any
    ) -> None:
        self.chains, self.tls, self.more = chains, tls, more
        self.identity = more.pop("identity", RegistryIdentity)()
        super().__init__(folder, bus, settings, more.pop("alias", ALIASES["link"]))

    def _start(self, bus: str) -> Any:
        self.folder.mkdir(exist_ok=True)
        return start_world(
            self.folder,
            {bus: self.settings},
            aliases={"link": self.alias},
            container=f"of-{bus}",
            tls=self.tls,
            chains=self.chains,
            identity=self.identity,
            **self.more,
        )


def chain_settings(name: str, port: int, **changes: Any) -> dict[str, Any]:
    """A chain as the configuration writes it."""
    return {name: {"port": port, "enabled": True, "tls": "node" if name == SECURE else None, **changes}}


def at_a_port(bus: str, other: int, link: Mapping[str, Any], *, over: str = SECURE) -> dict[str, Any]:
    """The settings of Britain or France, linked to a port of the other over a chain; `link` is what differs."""
    settings, peer = (britain(), "france") if bus == "britain" else (france(), "britain")
    secure = {"tls": "node"} if over == SECURE else {"allow_plain": True}
    way = {"transport": "chain", "endpoints": [f"127.0.0.1:{other}"], "chain": over, **secure, **link}
    settings["foreign_buses"][peer]["link"].update(way)
    settings["permitted_chains"] = "all"
    return settings


@contextmanager
def two_sites(
    folder: Path,
    *,
    chain: str = SECURE,
    here: Mapping[str, Any] | None = None,
    there: Mapping[str, Any] | None = None,
    through: int | None = None,
    chain_there: Mapping[str, Any] | None = None,
    alias_here: tuple[str, str] = ALIASES["link"],
    **more: Any,
) -> Iterator[tuple[Distant, Distant]]:
    """Britain and France with a link over the network. `here` and `there` change links, `destinations` and other
    settings beside them; `through` is the port that Britain goes to instead of that of France.
    """
    tls = TestTls(folder)
    ports = {"britain": free_port(), "france": free_port()}
    started: list[Distant] = []
    try:
        for bus, other, changes in (("france", "britain", there), ("britain", "france", here)):
            changes = dict(changes or {})
            beside = {key: changes.pop(key) for key in ("security", "permitted_chains", "roles") if key in changes}
            destinations = changes.pop("destinations", {})
            port = through if through is not None and bus == "britain" else ports[other]
            settings = at_a_port(bus, port, changes, over=chain) | beside
            settings["destinations"] = {**settings["destinations"], **destinations}
            own = chain_settings(chain, ports[bus], **((chain_there or {}) if bus == "france" else {}))
            alias = alias_here if bus == "britain" else ALIASES["link"]
            started.append(Distant(folder / bus, bus, settings, own, tls, alias=alias, **more))
        yield started[1], started[0]
    finally:
        for each in reversed(started):
            each.world.stop()


def port_of(country: Distant) -> int:
    """The port of its only chain."""
    (port,) = country.world.adapter._listeners.ports().values()  # type: ignore[union-attr]
    return int(port)


def until_idle(*countries: Distant, rounds: int = 40) -> None:
    """Work off what there is to be done, pauses included, until all queues of links are empty."""
    for _ in range(rounds):
        for each in countries:
            each.pump()
        if all(not link["waiting"] for each in countries for link in each.command("links")["links"]):
            return
        for each in countries:
            each.advance(60)
    raise AssertionError([each.command("links") for each in countries])


class Cutter:
    """A proxy on the way to a port, which cuts each connection once so many bytes have gone either way.

    Attributes:
        port: Where it listens.
        cuts: After how many bytes; each connection takes the next number, and when there are none left, none is cut.
    """

    def __init__(self, target: int, cuts: list[int]) -> None:
        self.cuts, self._target = list(cuts), target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def aim(self, target: int) -> None:
        """Go elsewhere from the next connection on."""
        self._target = target

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                near.close()
                continue
            left = [self.cuts.pop(0) if self.cuts else None]
            self._open += [near, far]
            for source, to in ((near, far), (far, near)):
                thread = threading.Thread(target=self._carry, args=(source, to, left), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, to: socket.socket, left: list[int | None]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(4096):
                if left[0] is not None:
                    data, left[0] = data[: left[0]], left[0] - len(data)
                to.sendall(data)
                if left[0] is not None and left[0] <= 0:
                    break
        for each in (source, to):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()

    def __enter__(self) -> Cutter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
