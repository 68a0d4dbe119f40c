"""A small echo server that knows users: the external system of the example, and of its tests. Loopback only."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast


class EchoServer(socketserver.ThreadingTCPServer):
    """Listens on a free port of loopback.

    Args:
        users: Names and passwords.
        trusted: Which users may work as which others.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, users: Mapping[str, str], trusted: Mapping[str, frozenset[str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.users = dict(users)
        self.trusted = dict(trusted)
        # Mutable, under the lock: the open connections by the client's port.
        self._lock = threading.Lock()
        self._open: dict[int, tuple[socket.socket, threading.Event]] = {}
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="echo-server", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Take connections from now on."""
        self._thread.start()

    def stop(self) -> None:
        """End it; blocks until the listener is closed."""
        if self._thread.is_alive():
            self.shutdown()
            self._thread.join()
        self.server_close()

    def drop(self, client_port: int) -> None:
        """Close one client's connection from this side; blocks until it is closed."""
        with self._lock:
            open_socket, closed = self._open[client_port]
        open_socket.shutdown(socket.SHUT_RDWR)
        closed.wait(10)

    def opened(self, client_port: int, connected: socket.socket, closed: threading.Event) -> None:
        """For a session: it begins."""
        with self._lock:
            self._open[client_port] = (connected, closed)

    def closed(self, client_port: int) -> None:
        """For a session: it is over."""
        with self._lock:
            self._open.pop(client_port, None)


class _Session(socketserver.StreamRequestHandler):
    """One client: signed on as `_login`, working as `_acting`, with notes that `reset` forgets."""

    @property
    def _echo(self) -> EchoServer:
        return cast(EchoServer, self.server)

    def setup(self) -> None:
        super().setup()
        self._login: str | None = None
        self._acting: str | None = None
        self._notes: list[str] = []
        self._closed = threading.Event()
        self._echo.opened(self.client_address[1], self.connection, self._closed)

    def handle(self) -> None:
        commands: dict[str, Callable[..., Any]] = {
            "login": self._sign_on, "become": self._become, "reset": self._reset, "note": self._note,
            "notes": lambda: self._notes, "whoami": lambda: self._acting, "echo": lambda text: text,
            "describe": lambda: ["Echo", "1.0", self._acting],
        }  # fmt: skip
        try:
            for line in self.rfile:
                command, *arguments = json.loads(line)
                try:
                    answer = ["ok", commands[command](*arguments)]
                except PermissionError as refusal:
                    answer = ["no", str(refusal)]
                self.wfile.write(json.dumps(answer).encode() + b"\n")
        except OSError:
            pass  # the client or `drop` closed it

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self._echo.closed(self.client_address[1])
            cast(socket.socket, self.connection).close()
            self._closed.set()

    def _sign_on(self, user: str, password: str) -> None:
        if self._echo.users.get(user) != password:
            raise PermissionError("unknown user or wrong password")
        self._login = self._acting = user
        self._notes.clear()  # they were another session's

    def _become(self, user: str) -> str:
        if user not in self._echo.trusted.get(self._login or "", frozenset()):
            raise PermissionError("not trusted with that user")
        self._acting = user
        return user

    def _reset(self) -> None:
        self._acting = self._login
        self._notes.clear()

    def _note(self, text: str) -> None:
        self._notes.append(text)
